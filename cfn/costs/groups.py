"""The groups of the bill: first those of the architecture document's table, then what it leaves out."""

from collections.abc import Mapping
from dataclasses import dataclass

DOCUMENT_TOTAL = 174
DOCUMENT_ENVIRONMENT = "dev"  # "dev-sized workloads (1 task/service), us-east-1 pricing, 730 hours/month"
TOLERANCE = 0.10


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    document: float | None = None  # its figure, in dollars a month
    explanation: str = ""  # why ours is further from it than the tolerance


GROUPS: Mapping[str, Group] = {
    "fargate": Group("Fargate tasks", 60),
    "balancer": Group("Application Load Balancer", 18),
    "nat": Group("NAT gateways and data", 40),
    "rds": Group(
        "RDS PostgreSQL",
        33,
        "The document's $33 is more than twice the list price of a db.t4g.micro with 20 GB of gp3 ($11.68 + $2.30). "
        "It is no other small choice either: Multi-AZ, which the document says is off, would be $27.96, and a "
        "db.t4g.small $25.66. We take it for an older or rounded-up estimate.",
    ),
    "cloudwatch": Group("CloudWatch logs, dashboard and X-Ray", 8),
    "ecr": Group(
        "ECR storage and scans",
        5,
        "Basic scanning on push is free, and $5 would be 50 GB of images. The lifecycle rule keeps 30 images per "
        "repository, and the size of one is assumed (image_gb). Enhanced scanning, which is paid, is not used.",
    ),
    "transfer": Group("Data transfer to the public", 10),
    "cdn": Group("CloudFront requests"),
    "waf": Group("WAF"),
    "ipv4": Group("Public IPv4 addresses"),
    "secrets": Group("Secrets Manager"),
    "kms": Group("KMS"),
    "alarms": Group("Alarms and their e-mails"),
    "metrics": Group("Metrics of the services and of the operations app"),
    "insights": Group("Container Insights"),
    "flow": Group("VPC flow logs"),
    "fallback": Group("Fallback functions"),
    "ops": Group("Operations app"),
    "zones": Group("Traffic between zones"),
    "storage": Group("S3: access logs and artifacts"),
    "dns": Group("Route 53"),
    "endpoints": Group("Interface endpoints"),
    "cache": Group("ElastiCache"),
}


def in_document() -> list[str]:
    return [key for key, group in GROUPS.items() if group.document is not None]


def apart(ours: float, theirs: float) -> float:
    """By which share of theirs."""
    return (ours - theirs) / theirs
