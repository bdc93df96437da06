"""What nobody's own stack watches: database, load balancer, ways out, the edge, and the shop as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from troposphere import Ref, Sub, Template

from cfn.alarms import BELOW, Limit, alarm, composite
from cfn.boxes.alerts import Alerts
from cfn.boxes.cdn import Cdn
from cfn.boxes.fallback import Fallback
from cfn.boxes.service import Workload
from cfn.environments import Environment
from cfn.foundation import Backing, Foundation
from cfn.metrics import (
    CDN_ERRORS,
    CONNECTION_ERRORS,
    CONNECTIONS,
    DATABASE_CPU,
    EVERYWHERE,
    FREE_MEMORY,
    FREE_STORAGE,
    OWN_ERRORS,
    PORTS_EXHAUSTED,
    REJECTED,
    REPLICA_LAG,
    Metric,
)
from cfn.wiring import Value

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Observed:
    database: tuple[Value, ...]  # names of the alarms about it


@dataclass(frozen=True, slots=True)
class Watch:
    """A metric that has an alarm: what, at which limit, and why there; `what` in place of the metric's own name."""

    metric: Metric
    limit: Limit
    reason: str
    what: str = ""


def observability(
    template: Template,
    environment: Environment,
    foundation: Foundation,
    backing: Backing,
    cdn: Cdn,
    fallback: Fallback,
    workloads: Sequence[Workload],
) -> Observed:
    data, balancer, alerts = backing.data, backing.balancer, foundation.alerts
    watch = partial(_watch, template, environment, alerts)
    database = watch("database", (data.instance,), _database(environment) + PRIMARY)
    for number, instance in enumerate(data.replicas, 1):
        watch(f"replica-{number}", (instance,), _database(environment) + REPLICA)
    watch("edge", (balancer.full_name,), BALANCER)
    watch("cdn", (cdn.distribution, EVERYWHERE), CDN)
    for number, nat in enumerate(foundation.network.nats, 1):
        watch(f"nat-{number}", (nat,), NAT)
    _composites(template, environment, fallback, workloads, alerts)
    return Observed(database=database)


def _watch(
    template: Template,
    environment: Environment,
    alerts: Alerts,
    subject: str,
    dimensions: Sequence[Value],
    watches: Sequence[Watch],
) -> tuple[Value, ...]:
    made = []
    for one in watches:
        parts = (subject, one.what or _words(one.metric.name))
        made.append(alarm(template, environment, alerts, parts, one.reason, one.metric.of(*dimensions), one.limit))
    return tuple(Ref(one) for one in made)


def _words(metric: str) -> str:
    """FreeStorageSpace → free-storage-space; HTTPCode_ELB_5XX_Count → httpcode-elb-5xx-count."""
    spaced = "".join(
        f"-{letter}" if letter.isupper() and index and metric[index - 1].islower() else letter
        for index, letter in enumerate(metric)
    )
    return spaced.replace("_", "-").lower()


def _database(environment: Environment) -> tuple[Watch, ...]:
    values = environment.database
    slow = partial(Limit, period=300, periods=3, datapoints=3)
    return (
        Watch(
            DATABASE_CPU,
            slow(threshold=80),
            "Above 80 % for a quarter of an hour, queries queue.",
        ),
        Watch(
            FREE_STORAGE,
            slow(threshold=values.storage * GIB // 10, comparison=BELOW, missing="breaching"),
            "Less than a tenth is free: growing has failed, or is at its maximum.",
        ),
        Watch(
            FREE_MEMORY,
            slow(threshold=64 * 2**20, comparison=BELOW),
            "Less than 64 MiB is left: the next thing is swapping, or a restart.",
        ),
        Watch(
            CONNECTIONS,
            Limit(threshold=values.connections * 8 // 10, periods=5, datapoints=3),
            "More than 80 % of max_connections: soon services get 503 for want of one.",
        ),
    )


PRIMARY = (
    Watch(
        CONNECTIONS,
        Limit(threshold=1, comparison=BELOW, periods=3, datapoints=3, missing="breaching"),
        "[critical] Nobody has been connected for three minutes, or the database says nothing: it is gone. Background"
        " work alone keeps connections open; a failover to the standby takes one to two minutes.",
        what="gone",
    ),
)
REPLICA = (
    Watch(
        REPLICA_LAG,
        Limit(threshold=60, periods=10, datapoints=10),
        "Reports are a minute behind, for ten minutes.",
    ),
)
BALANCER = (
    Watch(
        OWN_ERRORS,
        Limit(threshold=10),
        "The load balancer itself answers errors: no target, or targets that do not speak.",
    ),
    Watch(
        CONNECTION_ERRORS,
        Limit(threshold=10),
        "Targets refuse connections: a security group, or a service that does not listen.",
    ),
    Watch(
        REJECTED,
        Limit(threshold=0),
        "The load balancer is out of capacity; that is AWS's to mend.",
    ),
)
CDN = (
    Watch(
        CDN_ERRORS,
        Limit(threshold=5, periods=5, datapoints=3),
        "More than 5 % of what customers ask for ends in an error, wherever it comes from.",
    ),
)
NAT = (
    Watch(
        PORTS_EXHAUSTED,
        Limit(threshold=0),
        "Connections to one address are exhausted: calls fail at random.",
    ),
)


def _composites(
    template: Template,
    environment: Environment,
    fallback: Fallback,
    workloads: Sequence[Workload],
    alerts: Alerts,
) -> None:
    """A service is down when neither runtime can answer; the shop when any of them is."""
    down = [
        composite(
            template,
            environment,
            alerts,
            (workload.service, "down"),
            f"[critical] Neither runtime of {workload.service} can answer.",
            Sub(
                'ALARM("${Alone}") AND ALARM("${Failing}")',
                Alone=workload.alone,
                Failing=fallback.alarms[workload.service],
            ),
        )
        for workload in workloads
    ]
    names_of = {one.title: Ref(one) for one in down}
    any_of = " OR ".join(f'ALARM("${{{title}}}")' for title in names_of)
    composite(
        template,
        environment,
        alerts,
        ("shop", "down"),
        "[critical] Customers cannot buy: wake somebody.",
        Sub(any_of, **names_of),
    )
