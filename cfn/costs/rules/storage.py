"""Images, and what lies in buckets."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cfn.costs.lines import Item
from cfn.costs.rules.bill import Bill, Rule
from cfn.costs.traffic import BALANCER, KB_PER_GB
from cfn.doctor.graph import Resource
from cfn.doctor.values import dig, items, number, references

DAYS = 365 / 12
LOG_FILES = 12 * 24 * DAYS / 1000  # thousands a month, one every five minutes


def repository(resource: Resource, bill: Bill) -> Iterator[Item]:
    kept = min([bill.usage["images_kept"], *_limits(resource.get("LifecyclePolicy", "LifecyclePolicyText"))])
    yield Item("ecr", "ecr.storage", kept * bill.usage["image_gb"], "images; basic scanning is free")


def _limits(policy: Any) -> Iterator[float]:
    """How many images rules over all tags let stay."""
    if not isinstance(policy, str):
        return
    for rule in json.loads(policy)["rules"]:
        selection = rule["selection"]
        if selection["countType"] == "imageCountMoreThan" and selection["tagStatus"] == "any":
            yield selection["countNumber"]


def bucket(resource: Resource, bill: Bill) -> Iterator[Item]:
    """Access logs of whoever writes them there, for as long as they are kept; else the zips of the functions."""
    writers = [
        user for user in bill.world.users(resource, BALANCER, "AWS::CloudFront::Distribution") if _logs(user, resource)
    ]
    if not writers:
        yield Item("storage", "s3.storage", bill.usage["artifacts_gb"], "artifacts")
        return
    months = _kept_days(resource) / DAYS
    for writer in writers:
        at_balancer = writer.type == BALANCER
        requests = bill.traffic.at_balancer if at_balancer else bill.traffic.at_edge
        source = "the load balancer" if at_balancer else "CloudFront"
        gigabytes = requests * bill.usage["access_log_kb"] / KB_PER_GB * months
        yield Item("storage", "s3.storage", gigabytes, f"access log of {source}")
        yield Item("storage", "s3.puts", LOG_FILES, f"files of the access log of {source}")


def _logs(writer: Resource, bucket: Resource) -> bool:
    """Whether it is the log that leads there, and not, say, an origin."""
    where = [writer.get("DistributionConfig", "Logging"), writer.get("LoadBalancerAttributes")]
    return bucket.key in {(found.stack, found.resource) for found in references(where)}


def _kept_days(resource: Resource) -> float:
    rules = items(resource.get("LifecycleConfiguration", "Rules"))
    days = [found for rule in rules if (found := number(dig(rule, "ExpirationInDays"))) is not None]
    return min(days, default=365)


RULES: Mapping[str, Rule] = {"AWS::ECR::Repository": repository, "AWS::S3::Bucket": bucket}
