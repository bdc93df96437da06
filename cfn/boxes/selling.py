"""Does the shop sell: alarms on what only the services themselves can count, on whichever runtime they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from troposphere import Template

from cfn.alarms import BELOW, Limit, alarm, calculated
from cfn.environments import Environment, Service
from cfn.foundation import Foundation
from cfn.metrics import (
    BACKGROUND_FAILURES,
    DURATION,
    FAILOVER_STATE,
    ORDERS_PLACED,
    ORDERS_REFUSED,
    OVERSELL_GUARD_HITS,
    POOL_WAIT,
    Metric,
    Series,
)

HOUR = 3600
ASKED = "FILL(placed, 0) + FILL(refused, 0)"
REFUSED = f"IF({ASKED} >= 20, 100 * FILL(refused, 0) / ({ASKED}), 0)"


@dataclass(frozen=True, slots=True)
class Each:
    """An alarm that services have, one by one."""

    what: str
    metric: Metric
    limit: Limit
    reason: str


OVERSOLD = Each(
    "oversell-guard",
    OVERSELL_GUARD_HITS,
    Limit(threshold=0, periods=1, datapoints=1),
    "[critical] Stock would have gone below nothing, and the table's constraint refused: the code before it is wrong."
    " One is one too many.",
)
POOL = Each(
    "pool-wait",
    POOL_WAIT,
    Limit(threshold=250, periods=5, datapoints=3),
    "One request in twenty waits 250 ms for a database connection, for minutes; after 1 s it is given up with 503.",
)
BACKGROUND = Each(
    "background",
    BACKGROUND_FAILURES,
    Limit(threshold=2, period=300, periods=2, datapoints=2),
    "Background work failed more than twice in each of two times five minutes: that is no hiccup, and what it heals"
    " (orders half way, reservations whose time is over) stays as it is.",
)
LASTING = Each(
    "on-functions",
    FAILOVER_STATE,
    Limit(threshold=0, period=300, periods=12, datapoints=12),
    "[warning] The functions have answered for an hour: the containers do not get well by themselves, or somebody holds"
    " the service there.",
)


def selling(template: Template, environment: Environment, foundation: Foundation) -> None:
    alerts = foundation.alerts
    for service in environment.services:
        for one in _of(service):
            series = one.metric.of(environment.name, service.name)
            alarm(template, environment, alerts, (service.name, one.what), one.reason, series, one.limit)
    values, name = environment.selling, environment.name
    orders: Mapping[str, Series] = {
        "orders": ORDERS_PLACED.of(name, "order"),
        "visits": DURATION.of(name, "frontend", statistic="SampleCount"),
    }
    calculated(
        template,
        environment,
        alerts,
        ("order", "stopped"),
        f"[critical] Nobody ordered in {values.hours} h, and the storefront was asked {values.visits} times or more. If"
        f" one request in {values.visits // 10} is an order, that is chance once in 20,000 times. With few visitors, at"
        " night for one, it never gets here.",
        orders,
        f"IF(visits >= {values.visits}, FILL(orders, 0), 1)",
        Limit(threshold=1, comparison=BELOW, period=values.hours * HOUR, periods=1, datapoints=1),
    )
    calculated(
        template,
        environment,
        alerts,
        ("order", "refusals"),
        "[warning] More than half of at least 20 orders were refused, for ten minutes: the catalogue promises what is"
        " not there. A sale that is over looks the same; below 20 one customer could do that.",
        {"refused": ORDERS_REFUSED.of(name, "order"), "placed": ORDERS_PLACED.of(name, "order")},
        REFUSED,
        Limit(threshold=50, period=300, periods=2, datapoints=2),
    )


def _of(service: Service) -> Sequence[Each]:
    own = {"product": (OVERSOLD,)}.get(service.name, ())
    return (
        *own,
        *((POOL,) if service.database else ()),
        *((BACKGROUND,) if service.background else ()),
        LASTING,
    )
