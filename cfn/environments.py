"""The table of services: what the load balancer, the tasks and the local twin all agree on."""

from dataclasses import dataclass


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


# `/products/*` does not match `/products`, so every rule lists both forms.
SERVICES = (
    Service(
        name="product",
        port=8000,
        paths=("/products", "/products/*"),
        priority=10,
        app="services.product.main:create",
    ),
    Service(
        name="order",
        port=8001,
        paths=("/orders", "/orders/*"),
        priority=20,
        app="services.order.main:create",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What differs between deployments, as plain values."""

    name: str
    services: tuple[Service, ...] = SERVICES


LOCAL = Environment(name="local")
