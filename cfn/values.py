"""What an environment is made of. Each value refuses, in one sentence, what AWS would refuse minutes later."""

import ipaddress
import re
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

# CPU units → the MiB of memory that Fargate sells with them.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
FARGATE = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
# Memory in GiB of the database classes we know; PostgreSQL's default connection limit follows from it.
DATABASE_MEMORY = {
    "db.t4g.micro": 1,
    "db.t4g.small": 2,
    "db.t4g.medium": 4,
    "db.t4g.large": 8,
    "db.m7g.large": 8,
    "db.m7g.xlarge": 16,
    "db.r7g.large": 16,
    "db.r7g.xlarge": 32,
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
BYTES_PER_CONNECTION = 9_531_392  # RDS: max_connections = DBInstanceClassMemory / 9531392
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
CERTIFICATE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ZONE = re.compile(r"Z[0-9A-Z]{1,31}")
REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class BadValue(ValueError):
    """A value that cannot be deployed; the message is one sentence for the person who wrote it."""


def require(holds: object, sentence: str) -> None:
    if not holds:
        raise BadValue(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`architecture` is that of the images and of the zips, too."""

    cpu: int = 512  # 1024 is one virtual CPU
    memory: int = 1024  # MiB
    architecture: Literal["x86_64", "arm64"] = "x86_64"

    def __post_init__(self) -> None:
        known = ", ".join(map(str, FARGATE))
        require(self.cpu in FARGATE, f"Fargate has no task of {self.cpu} CPU units; choose one of {known}.")
        require(self.architecture in {"x86_64", "arm64"}, f"Processors are x86_64 or arm64, not {self.architecture!r}.")
        fits = FARGATE[self.cpu]
        require(
            self.memory in fits,
            f"Fargate sells no {self.memory} MiB with {self.cpu} CPU units; choose {fits[0]} to {fits[-1]}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How a rule shares its requests between the containers and the functions."""

    fargate: int = 100
    fallback: int = 0

    def __post_init__(self) -> None:
        for weight in (self.fargate, self.fallback):
            require(0 <= weight <= 999, f"A target group's weight is 0 to 999, not {weight}.")
        require(self.fargate + self.fallback, "With both weights 0 a rule would send its requests nowhere.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Task counts, and the load at which one more is started."""

    minimum: int = 1
    maximum: int = 3
    cpu: int = 60  # per cent
    memory: int = 75  # per cent
    requests: int = 1200  # per task and minute

    def __post_init__(self) -> None:
        require(
            0 < self.minimum < self.maximum,
            f"A service scales from at least 1 task to more than that, not from {self.minimum} to {self.maximum}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """`base` tasks run on demand; beyond it, tasks are shared out by weight. Spot is ended at two minutes' notice."""

    base: int = 1
    on_demand: int = 1
    spot: int = 0

    def __post_init__(self) -> None:
        require(self.on_demand + self.spot, "With both capacity weights 0 no task could be placed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The blocks of the VPC, and how what is private leaves it.

    With nat "none" tasks stand in public subnets with a public address each, which only their security group's single
    source, the load balancer, can reach; functions and the database stay in private subnets without a way out, and
    what they must reach there is listed in `endpoints`.
    """

    vpc: str = "10.20.0.0/16"
    public: tuple[str, str, str] = ("10.20.0.0/22", "10.20.4.0/22", "10.20.8.0/22")
    private: tuple[str, str, str] = ("10.20.32.0/20", "10.20.48.0/20", "10.20.64.0/20")
    nat: Literal["none", "single", "per-zone"] = "single"
    endpoints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        vpc = _block(self.vpc)
        subnets = [_block(text) for text in (*self.public, *self.private)]
        for subnet in subnets:
            require(subnet.subnet_of(vpc), f"Subnet {subnet} lies outside the VPC's {vpc}.")
        for one, other in combinations(subnets, 2):
            require(not one.overlaps(other), f"Subnets {one} and {other} overlap.")
        require(self.nat in {"none", "single", "per-zone"}, f"NAT is none, single or per-zone, not {self.nat!r}.")

    @property
    def tasks_are_public(self) -> bool:
        return self.nat == "none"


def _block(text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        raise BadValue(f"{text!r} is no IPv4 block, such as 10.20.0.0/16.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    instance: str = "db.t4g.micro"
    version: str = "17.11"  # where it starts: RDS applies newer minors in the maintenance window
    storage: int = 20  # GiB
    maximum_storage: int = 100
    multi_az: bool = False
    replicas: int = 0
    backup_days: int = 7
    deletion_protection: bool = False
    monitoring: int = 60  # seconds between two samples of the operating system; 0 is none
    pool: int = 5  # connections of one task

    def __post_init__(self) -> None:
        require(self.instance in DATABASE_MEMORY, f"The database class {self.instance!r} is not in the table of sizes.")
        require(
            20 <= self.storage <= self.maximum_storage, "Storage is at least 20 GiB, and at most what it may grow to."
        )
        require(1 <= self.backup_days <= 35, f"RDS keeps backups for 1 to 35 days, not {self.backup_days}.")

    @property
    def connections(self) -> int:
        return min(DATABASE_MEMORY[self.instance] * 2**30 // BYTES_PER_CONNECTION, 5000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    node: str = "cache.t4g.micro"
    replicas: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """The Lambda side. Concurrency is reserved: what a function may open at the database is bounded by it."""

    python: str = "3.13"  # whose bytecode the zips hold
    memory: int = 1024
    timeout: int = 28  # seconds; below the load balancer's idle timeout
    concurrency: int = 10  # a page asks the same service for three things at once

    def __post_init__(self) -> None:
        require(self.python in PYTHONS, f"Lambda runs Python {', '.join(PYTHONS)}, not {self.python}.")
        require(self.timeout < 60, f"A function of {self.timeout} s outlives the load balancer's 60 s of patience.")
        require(self.concurrency > 0, "Without concurrency the fallback answers nothing.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What belongs to one installation: its names, its certificate (for the domain and every name below it, in ACM in
    us-east-1), who gets its alarms, and the repository that may deploy it."""

    domain: str | None = "shop.example.com"
    certificate: str | None = "00000000-0000-4000-8000-000000000000"
    zone: str | None = "Z0000000000000EXAMPLE"
    emails: tuple[str, ...] = ("alarms@example.com",)
    repository: str = "example/tandem-commerce"

    def __post_init__(self) -> None:
        if self.domain is None:
            require(
                self.certificate is None and self.zone is None, "A certificate or a hosted zone needs its domain too."
            )
        else:
            require(DOMAIN.fullmatch(self.domain), f"{self.domain!r} is no domain name in lower case.")
            require(self.certificate, f"The domain {self.domain} needs the id of its ACM certificate.")
            require(self.zone, f"The domain {self.domain} needs the id of its Route 53 hosted zone.")
            require(
                CERTIFICATE.fullmatch(self.certificate or ""), f"{self.certificate!r} is no id of an ACM certificate."
            )
            require(ZONE.fullmatch(self.zone or ""), f"{self.zone!r} is no id of a hosted zone.")
        require(self.emails, "Somebody must get the alarms: give at least one e-mail address.")
        for email in self.emails:
            require(EMAIL.fullmatch(email), f"{email!r} is no e-mail address.")
        require(REPOSITORY.fullmatch(self.repository), f"{self.repository!r} is no GitHub repository (owner/name).")
