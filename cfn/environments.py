"""The table of services, and the environments as values: what the templates, the doctor and the local twin agree on."""

from dataclasses import dataclass, field
from typing import Literal

from cfn.promises import WHOLE, Objective, Selling
from cfn.values import (
    Addresses,
    BadValue,
    Cache,
    Capacity,
    Database,
    Functions,
    Scaling,
    Site,
    Size,
    Weights,
    require,
)

RESERVED_CONNECTIONS = 10  # of the database: migrations, an operator, PostgreSQL's own superuser slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One box of the diagram. `paths` are listener patterns; a service without any takes what is left over."""

    name: str
    port: int
    paths: tuple[str, ...]
    priority: int
    app: str  # the factory that a server calls
    health_path: str = "/healthz"
    database: bool = True
    background: bool = False  # has work to do that nobody asks for

    @property
    def patterns(self) -> tuple[str, ...]:
        return self.paths or ("/*",)

    @property
    def command(self) -> tuple[str, ...]:
        return ("python", "-m", "services.chassis.server", self.app)

    @property
    def migration(self) -> tuple[str, ...]:
        return ("python", "-m", "services.chassis.migrate", f"services.{self.name}.store:OWNER")

    @property
    def handler(self) -> str:
        return f"services.{self.name}.lambda_handler.handler"


# `/products/*` does not match `/products`, so every rule lists both forms.
SERVICES = (
    Service(
        name="product",
        port=8000,
        paths=("/products", "/products/*"),
        priority=10,
        app="services.product.main:create",
        background=True,
    ),
    Service(
        name="order",
        port=8001,
        paths=("/orders", "/orders/*"),
        priority=20,
        app="services.order.main:create",
        background=True,
    ),
    Service(
        name="frontend",
        port=3000,
        paths=(),
        priority=1000,
        app="services.frontend.main:create",
        database=False,
    ),
)

# A page asks the catalogue several times and an order asks it twice, so that each promises more than who asks it.
OBJECTIVES = (
    Objective(subject=WHOLE),
    Objective(subject="product", within=300),
    Objective(subject="order", within=1000),
    Objective(subject="frontend", within=800),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What differs between deployments, as plain values."""

    name: str
    services: tuple[Service, ...] = SERVICES
    site: Site = field(default_factory=Site)
    region: str = "us-east-1"
    edge: Literal["public-alb", "vpc-origin"] = "public-alb"
    addresses: Addresses = field(default_factory=Addresses)
    size: Size = field(default_factory=Size)
    scaling: Scaling = field(default_factory=Scaling)
    capacity: Capacity = field(default_factory=Capacity)
    weights: Weights = field(default_factory=Weights)
    functions: Functions = field(default_factory=Functions)
    database: Database = field(default_factory=Database)
    cache: Cache | None = None
    objectives: tuple[Objective, ...] = OBJECTIVES
    selling: Selling = field(default_factory=Selling)
    insights: Literal["disabled", "enabled", "enhanced"] = "enabled"  # of the containers
    log_days: int = 7
    protected: bool = False  # against deletion: load balancer and stacks
    seed_demo: bool = False
    version: str = "unreleased"  # the tag of the images, and the prefix of the functions' zips

    def __post_init__(self) -> None:
        self._check_edge()
        self._check_routes()
        self._check_connections()
        self._check_objectives()

    def _check_edge(self) -> None:
        require(self.edge in {"public-alb", "vpc-origin"}, f"The edge is public-alb or vpc-origin, not {self.edge!r}.")
        require(
            self.region == "us-east-1",
            f"The region is us-east-1, not {self.region}: CloudFront's certificate and web ACL live there only.",
        )
        require(
            self.site.domain or self.edge == "vpc-origin",
            "A public load balancer without domain and certificate would get the origin secret in clear text;"
            ' give both, or choose the edge "vpc-origin".',
        )
        require(
            not (self.addresses.tasks_are_public and self.edge == "public-alb"),
            'Without NAT the tasks have no fixed address that a public load balancer could admit; choose "vpc-origin".',
        )
        require(
            not self.addresses.tasks_are_public or "secretsmanager" in self.addresses.endpoints,
            'Without NAT the functions reach their secrets only through the endpoint "secretsmanager".',
        )

    def _check_routes(self) -> None:
        for what in ("port", "priority", "name"):
            values = [getattr(service, what) for service in self.services]
            require(len(set(values)) == len(values), f"Two services have the same {what}.")

    def _check_connections(self) -> None:
        """While a deployment replaces them, twice as many tasks run; a function opens one connection each."""
        each = 2 * self.scaling.maximum * self.database.pool + self.functions.concurrency
        wanted = RESERVED_CONNECTIONS + each * sum(service.database for service in self.services)
        require(
            wanted <= self.database.connections,
            f"Tasks and functions could open {wanted} connections; a {self.database.instance} takes"
            f" {self.database.connections}.",
        )

    def _check_objectives(self) -> None:
        subjects = [objective.subject for objective in self.objectives]
        known = {WHOLE, *(service.name for service in self.services)}
        require(subjects, "Without an objective nobody knows when the shop is too bad: give at least one.")
        require(set(subjects) <= known, f"Objectives are about {', '.join(sorted(known))}, not {subjects}.")
        require(len(set(subjects)) == len(subjects), "Two objectives have the same subject.")


# What the local twin runs. No domain and no certificate: the private door of CloudFront needs neither.
LOCAL = Environment(
    name="local", edge="vpc-origin", site=Site(domain=None, certificate=None, zone=None), seed_demo=True
)

ENVIRONMENTS = {
    # As the architecture document draws and prices it.
    "dev": Environment(name="dev", seed_demo=True),
    "prod": Environment(
        name="prod",
        addresses=Addresses(
            vpc="10.40.0.0/16",
            public=("10.40.0.0/22", "10.40.4.0/22", "10.40.8.0/22"),
            private=("10.40.32.0/20", "10.40.48.0/20", "10.40.64.0/20"),
            nat="per-zone",
        ),
        size=Size(cpu=1024, memory=2048),
        scaling=Scaling(minimum=2, maximum=12),
        capacity=Capacity(base=2, on_demand=1, spot=1),
        functions=Functions(memory=1769, concurrency=50),  # 1769 MB is one whole virtual CPU
        database=Database(
            instance="db.m7g.large",
            storage=100,
            maximum_storage=1000,
            multi_az=True,
            replicas=1,
            backup_days=14,
            deletion_protection=True,
            monitoring=15,
            pool=8,
        ),
        cache=Cache(),
        insights="enhanced",
        protected=True,
    ),
    # A hobby shop: no NAT, the load balancer hidden behind CloudFront, tasks on Spot.
    "lean": Environment(
        name="lean",
        edge="vpc-origin",
        addresses=Addresses(
            vpc="10.60.0.0/16",
            public=("10.60.0.0/22", "10.60.4.0/22", "10.60.8.0/22"),
            private=("10.60.32.0/20", "10.60.48.0/20", "10.60.64.0/20"),
            nat="none",
            endpoints=("secretsmanager",),
        ),
        size=Size(cpu=256, memory=512),
        scaling=Scaling(minimum=1, maximum=2),
        capacity=Capacity(base=0, on_demand=0, spot=1),
        functions=Functions(memory=512),
        database=Database(monitoring=0),
        # An objective is two dollars of alarms a month: here there is one, on what customers see.
        objectives=(Objective(subject="frontend", available=99.5, within=1500),),
        selling=Selling(hours=6),
        insights="disabled",
    ),
}


def environment(name: str) -> Environment:
    """The environment of that name. Raises BadValue."""
    if name not in ENVIRONMENTS:
        raise BadValue(f"There is no environment {name!r}; there are {', '.join(ENVIRONMENTS)}.")
    return ENVIRONMENTS[name]
