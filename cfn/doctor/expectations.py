"""What is expected of each environment, written down a second time on purpose: a value changed by mistake in the
environments is then found, instead of being agreed with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Requests and the port of the container that has to answer them.
ROUTES: Mapping[str, int] = {
    "/": 3000,
    "/api": 3000,
    "/api/products": 3000,
    "/admin/orders": 3000,
    "/healthz": 3000,
    "/ordersx": 3000,
    "/products": 8000,
    "/products/1": 8000,
    "/products/docs": 8000,
    "/products/reservations/x/confirm": 8000,
    "/orders": 8001,
    "/orders/1/cancel": 8001,
    "/orders/docs": 8001,
}


# What each function of the operations app reads, by its handler.
TOLD = frozenset({"ENVIRONMENT", "ROUTES", "RUNBOOKS", "SLACK_SECRET", "VERSION"})
MOVING = TOLD | {"FAILOVER", "HEALTHY_MINUTES", "HOLD_MINUTES"}
CLEANING = TOLD | {"CLEANUP"}
OPERATIONS: Mapping[str, frozenset[str]] = {
    "app.notify": TOLD | {"TABLE"},
    "app.failover": MOVING,
    "app.reconcile": MOVING | {"TABLE"},
    "app.clean_images": CLEANING,
    "app.clean_logs": CLEANING | {"TABLE"},
}

# Per cent of requests not failed, and per cent (0 is no promise) answered within so many milliseconds.
PROMISED: Mapping[str, tuple[float, float, int]] = {
    "shop": (99.9, 0, 0),
    "product": (99.9, 95, 300),
    "order": (99.9, 95, 1000),
    "frontend": (99.9, 95, 800),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """`nat` is none, single or per-zone."""

    environment: str
    nat: str = "single"
    multi_az: bool = False
    deletion_protection: bool = False
    minimum_tasks: int = 1
    backup_days: int = 7
    insights: bool = True  # of the containers
    always_on: int = 1  # tasks that Spot must not take
    spot: bool = True  # takes part in running tasks
    cdn: bool = True
    zones: int = 3
    seed_demo: bool = False
    monitoring: bool = True  # of the database's operating system
    objectives: Mapping[str, tuple[float, float, int]] = field(default_factory=lambda: PROMISED)
    settings: frozenset[str] = frozenset(
        {
            "BACKGROUND",
            "DATABASE_POOL",
            "ENVIRONMENT",
            "PORT",
            "SEED_DEMO",
            "SERVED_BY",
            "TRACE_SAMPLING",
            "UPSTREAM_URL",
            "VERSION",
        }
    )
    secrets: frozenset[str] = frozenset({"ADMIN_KEYS", "ORIGIN_SECRET", "SERVICE_KEYS", "SESSION_KEYS"})
    database: frozenset[str] = frozenset(
        {"DATABASE_CA", "DATABASE_HOST", "DATABASE_NAME", "DATABASE_PASSWORD", "DATABASE_PORT", "DATABASE_USER"}
    )
    with_database: frozenset[int] = frozenset({8000, 8001})  # by the port of the service
    background: frozenset[int] = frozenset({8000, 8001})  # the same: whose work goes on without requests
    operations: Mapping[str, frozenset[str]] = field(default_factory=lambda: OPERATIONS)
    routes: Mapping[str, int] = field(default_factory=lambda: ROUTES)
    health_paths: Mapping[int, str] = field(
        default_factory=lambda: dict.fromkeys(ROUTES.values(), "/healthz"),
    )


ENVIRONMENTS: Mapping[str, Expectations] = {
    "dev": Expectations(environment="dev", spot=False, seed_demo=True),
    "lean": Expectations(
        environment="lean",
        nat="none",
        insights=False,
        always_on=0,
        monitoring=False,
        objectives={"frontend": (99.5, 95, 1500)},
    ),
    "prod": Expectations(
        environment="prod",
        nat="per-zone",
        multi_az=True,
        deletion_protection=True,
        minimum_tasks=2,
        backup_days=14,
        always_on=2,
    ),
}
