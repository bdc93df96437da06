"""The operator's hand on the failover: finds the rules of an environment, and moves or holds them as the app does.

Rules are found by what the templates name: the two target groups of each service, and on their load balancer every
rule that forwards to both. So an operator needs rights on Elastic Load Balancing and on nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.exceptions import ConnectionError as Unreachable
from botocore.exceptions import HTTPClientError as Broken

from cfn import names
from cfn.environments import LOCAL, Environment
from chalicelib import evidence, rules
from chalicelib.failover import Containers, Hold, Note, Runtime, held, recorded
from chalicelib.paging import items
from scripts.terminal import Problem

T = TypeVar("T")
SHOWN = {Runtime.FARGATE: "containers", Runtime.LAMBDA: "functions", None: "nobody"}
EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule of a service, and what stands behind it."""

    service: str
    live: rules.Live
    hold: Hold | None
    containers: Containers
    functions: int  # targets of the functions' group

    def row(self) -> tuple[str, ...]:
        rule = self.live.rule
        total = self.containers.healthy + self.containers.others
        return (
            self.service,
            SHOWN[rule.runtime],
            f"{rule.fargate}/{rule.fallback}",
            f"{rule.note.since:%Y-%m-%d %H:%M} UTC" if rule.note.since else "-",
            rule.note.reason or "-",
            _held_until(self.hold),
            f"{self.containers.healthy} of {total} healthy",
            f"{self.functions} registered",
        )

    def data(self) -> dict[str, Any]:
        rule = self.live.rule
        return {
            "service": self.service,
            "rule": rule.arn,
            "weights": {"fargate": rule.fargate, "lambda": rule.fallback},
            "runtime": rule.runtime,
            "since": rules.written(rule.note.since) if rule.note.since else None,
            "reason": rule.note.reason,
            "hold": _held_until(self.hold) if self.hold else None,
            "containers": {"healthy": self.containers.healthy, "others": self.containers.others},
            "functions": self.functions,
        }


class Switchboard:
    """`placed` is what was found when it was made. Raises Problem for what an operator can act on."""

    def __init__(self, elbv2: Any, environment: Environment, services: Sequence[str]) -> None:
        self._elbv2, self._environment, self._services = elbv2, environment, services
        self._groups: dict[str, rules.Groups] = {}
        self.placed = self.look()

    def look(self) -> list[Placed]:
        found = {service: self._names(service) for service in self._services}
        wanted = [name for pair in found.values() for name in pair]
        described = {one["TargetGroupName"]: one for one in self._target_groups(wanted)}
        balancers = {arn for one in described.values() for arn in one.get("LoadBalancerArns", ())}
        listed = [rule for arn in sorted(balancers) for rule in self._rules(arn)]
        placed: list[Placed] = []
        for service, (containers, functions) in found.items():
            groups = rules.Groups(described[containers]["TargetGroupArn"], described[functions]["TargetGroupArn"])
            self._groups[service] = groups
            placed.extend(self._placed(service, groups, [rule for rule in listed if _forwards(rule, groups)]))
        return placed

    def hold(self, until: datetime | None, reason: str) -> None:
        for service in self._services:
            live, note = self._live(service), self._note(service)
            rules.write(self._elbv2, live, replace(note, reason=reason, hold=Hold(until)))

    def release(self) -> None:
        for service in self._services:
            rules.write(self._elbv2, self._live(service), replace(self._note(service), hold=None))

    def move(self, to: str, now: datetime, until: datetime | None, reason: str, *, force: bool) -> None:
        """Where it already is, only the hold is new. Raises Problem when nobody could answer there, unless forced."""
        runtime = Runtime(to)
        if not force:
            self._check(runtime)
        for service in self._services:
            live, before = self._live(service), self._note(service)
            since = before.since if before.runtime is runtime and before.since else now
            weights = rules.WEIGHTS[runtime]
            moved = [one.rule.arn for one in live if (one.rule.fargate, one.rule.fallback) != weights]
            rules.move(self._elbv2, live, self._groups[service], Note(runtime, since, reason, Hold(until)), moved)

    def _check(self, runtime: Runtime) -> None:
        for one in self.placed:
            if runtime is Runtime.LAMBDA and not one.functions:
                raise Problem(f"No function is registered for {one.service}; --force moves it all the same.")
            if runtime is Runtime.FARGATE and one.containers.gone:
                raise Problem(f"No container of {one.service} is healthy; --force moves it all the same.")

    def _live(self, service: str) -> list[rules.Live]:
        return [one.live for one in self.placed if one.service == service]

    def _note(self, service: str) -> Note:
        return recorded(tuple(one.rule for one in self._live(service)), datetime.now(UTC))

    def _names(self, service: str) -> tuple[str, str]:
        return names.name(self._environment, service), names.name(self._environment, service, "lambda")

    def _target_groups(self, wanted: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        return list(items(self._elbv2.describe_target_groups, "TargetGroups", "Marker", Names=list(wanted)))

    def _rules(self, balancer: str) -> list[Mapping[str, Any]]:
        listeners = items(self._elbv2.describe_listeners, "Listeners", "Marker", LoadBalancerArn=balancer)
        arns = [listener["ListenerArn"] for listener in listeners]
        return [rule for arn in arns for rule in items(self._elbv2.describe_rules, "Rules", "Marker", ListenerArn=arn)]

    def _placed(self, service: str, groups: rules.Groups, found: Sequence[Mapping[str, Any]]) -> list[Placed]:
        if not found:
            raise Problem(f"No listener rule forwards to both target groups of {service}.")
        live = rules.with_notes(self._elbv2, found, groups)
        hold = held(tuple(one.rule for one in live), datetime.now(UTC))
        containers = evidence.containers(self._elbv2, groups.fargate)
        behind = self._elbv2.describe_target_health(TargetGroupArn=groups.fallback)["TargetHealthDescriptions"]
        return [Placed(service, one, hold, containers, len(behind)) for one in live]


def in_sentences(action: Callable[[], T], environment: Environment, endpoint: str) -> T:
    """What goes wrong with AWS, as something to act on. Raises Problem."""
    try:
        return action()
    except rules.Unsuitable as error:
        raise Problem(str(error)) from None
    except NoCredentialsError:
        raise Problem("There are no AWS credentials: sign in, or set AWS_PROFILE.") from None
    except (Unreachable, Broken) as error:
        twin = f"Nothing answers at {endpoint}: is `scripts/tandem up` running?"
        raise Problem(twin if environment is LOCAL else f"AWS cannot be reached: {error}") from None
    except BotoCoreError as error:  # of a profile, a region, a sign-in that is over: its text says which
        raise Problem(f"AWS: {error}") from None
    except ClientError as error:
        raise Problem(_sentence(error, environment)) from None


def _sentence(error: ClientError, environment: Environment) -> str:
    code, text = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in EXPIRED:
        return "Your AWS credentials have expired or are not valid: sign in again."
    if code.startswith("TargetGroupNotFound"):
        return f"There is no environment {environment.name} in this account and region: its target groups are missing."
    if code.startswith(("AccessDenied", "UnauthorizedOperation")):
        return f"You may not do this: {text}"
    return f"AWS refused {error.operation_name}: {text or code}"


def _forwards(rule: Mapping[str, Any], groups: rules.Groups) -> bool:
    shares = [share for action in rule["Actions"] for share in action.get("ForwardConfig", {}).get("TargetGroups", ())]
    return {groups.fargate, groups.fallback} <= {share["TargetGroupArn"] for share in shares}


def _held_until(hold: Hold | None) -> str:
    if hold is None:
        return "-"
    return f"until {hold.until:%Y-%m-%d %H:%M} UTC" if hold.until else "until released"
