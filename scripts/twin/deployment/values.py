"""One deployment as frozen values. ARNs are made up where AWS would, and stay the same from run to run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A target group in a forward action, and its weight among the others there."""

    group: str  # ARN
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedResponse:
    status: int
    content_type: str = "text/plain"
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done with a request: it is forwarded to one of the shares, or answered here."""

    shares: tuple[Share, ...] = ()
    fixed: FixedResponse | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`field` is path-pattern, http-header, host-header or http-request-method; `header` is the name of the header."""

    field: str
    values: tuple[str, ...]
    header: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`priority` is None for the default rule, which has no conditions. `service` is whose requests it takes."""

    arn: str
    priority: int | None
    action: Action
    conditions: tuple[Condition, ...] = ()
    service: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """Seconds, and answers in a row. `codes` is the matcher: `200`, `200,204` or `200-299`."""

    enabled: bool = True
    path: str = "/"
    interval: int = 30
    timeout: int = 5
    healthy: int = 5
    unhealthy: int = 2
    codes: str = "200"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """`kind` is ip or lambda; `functions` are the ARNs of what a lambda group invokes."""

    arn: str
    name: str
    kind: str
    port: int = 0
    health: HealthCheck = field(default_factory=HealthCheck)
    attributes: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def runtime(self) -> str:
        return "lambda" if self.kind == "lambda" else "fargate"

    @property
    def deregistration_delay(self) -> int:
        return int(self.attributes.get("deregistration_delay.timeout_seconds", "300"))

    @property
    def counts_outstanding(self) -> bool:
        return self.attributes.get("load_balancing.algorithm.type") == "least_outstanding_requests"

    @property
    def multi_value_headers(self) -> bool:
        return self.attributes.get("lambda.multi_value_headers.enabled") == "true"

    def needed_healthy(self, registered: int) -> int:
        """How many targets must be healthy; with fewer, all get requests (fail-open)."""
        prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets"
        count = self.attributes.get(f"{prefix}.count", "1")
        share = self.attributes.get(f"{prefix}.percentage", "off")
        least = -(-registered * int(share) // 100) if share != "off" else 0
        return max(1 if count == "off" else int(count), least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The environment of a task or a function as the template gives it. `remote` are the keys whose values AWS makes
    (a host name, a secret): what stands there only says where it would come from."""

    values: Mapping[str, str]
    remote: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The service's own container. `health_path` is what its target group asks; `stop_timeout` is in seconds."""

    service: str
    group: str  # ARN
    command: tuple[str, ...]
    port: int
    settings: Settings
    secrets: tuple[str, ...]  # keys among the settings that ECS reads from Secrets Manager
    health_path: str
    stop_timeout: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """The same service on Lambda: seconds, MiB, and how many run at once."""

    arn: str
    name: str
    service: str
    handler: str
    settings: Settings
    timeout: int = 3
    memory: int = 128
    concurrency: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """`rules` are in the order in which the load balancer asks them; the last one is the listener's default.
    `front_headers` are what CloudFront adds to every request before the load balancer sees it."""

    environment: str
    balancer: str  # ARN
    listener: str  # ARN
    rules: tuple[Rule, ...]
    groups: tuple[TargetGroup, ...]
    tasks: tuple[Task, ...] = ()
    functions: tuple[Function, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)  # of the load balancer
    front_headers: Mapping[str, str] = field(default_factory=dict)

    def group(self, arn: str) -> TargetGroup | None:
        return next((group for group in self.groups if group.arn == arn), None)

    def task(self, service: str) -> Task:
        """Raises KeyError."""
        return {task.service: task for task in self.tasks}[service]

    def function(self, service: str) -> Function:
        """Raises KeyError."""
        return {function.service: function for function in self.functions}[service]

    def rules_of(self, service: str) -> Iterator[Rule]:
        return (rule for rule in self.rules if rule.service == service)

    @property
    def idle_timeout(self) -> float:
        """Seconds of silence after which a connection is given up."""
        return float(self.attributes.get("idle_timeout.timeout_seconds", "60"))

    @property
    def drops_invalid_headers(self) -> bool:
        return self.attributes.get("routing.http.drop_invalid_header_fields.enabled") == "true"

    def with_rule(self, changed: Rule) -> "Deployment":
        rules = tuple(changed if rule.arn == changed.arn else rule for rule in self.rules)
        return replace(self, rules=rules)

    def with_group(self, changed: TargetGroup) -> "Deployment":
        groups = tuple(changed if group.arn == changed.arn else group for group in self.groups)
        return replace(self, groups=groups)
