"""One page that answers, from top to bottom: does the shop sell, how well and how fast, on which runtime, what runs out
next, and what does it cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from troposphere import Template
from troposphere.cloudwatch import Dashboard

from cfn import metrics, names
from cfn.boxes.cdn import Cdn
from cfn.boxes.cluster import Compute
from cfn.boxes.fallback import Fallback
from cfn.boxes.objectives import BURNS, UNANSWERED
from cfn.boxes.service import Workload
from cfn.environments import Environment
from cfn.foundation import Backing, Foundation
from cfn.metrics import Metric
from cfn.promises import WHOLE, Objective
from cfn.texts import text_of
from cfn.widgets import Formula, Line, Section, Widget, body

HOUR = 3600


def dashboard(
    template: Template,
    environment: Environment,
    foundation: Foundation,
    backing: Backing,
    cdn: Cdn,
    fallback: Fallback,
    compute: Compute,
    workloads: Sequence[Workload],
) -> None:
    shop = Shop(environment, foundation, backing, cdn, fallback, compute, workloads)
    page = body([shop.sells(), shop.well(), shop.fast(), shop.runtime(), shop.runs_out(), shop.costs()])
    template.add_resource(Dashboard("Dashboard", DashboardName=names.name(environment), DashboardBody=text_of(page)))


@dataclass(frozen=True, slots=True)
class Shop:
    """All that there is to look at."""

    environment: Environment
    foundation: Foundation
    backing: Backing
    cdn: Cdn
    fallback: Fallback
    compute: Compute
    workloads: Sequence[Workload]

    def sells(self) -> Section:
        placed, refused, returned = (
            self._own(metric, "order")
            for metric in (metrics.ORDERS_PLACED, metrics.ORDERS_REFUSED, metrics.ORDERS_RETURNED)
        )
        revenue, back = (
            Line(metric.of(self.environment.name, "order"), label, name)
            for metric, label, name in ((metrics.REVENUE, "revenue", "r"), (metrics.RETURNED, "returned", "b"))
        )
        visits = metrics.DURATION.of(self.environment.name, "frontend", statistic="SampleCount")
        oversold = metrics.OVERSELL_GUARD_HITS.of(self.environment.name, "product")
        expired = metrics.RESERVATIONS_EXPIRED.of(self.environment.name, "product")
        money: list[Line | Formula] = [revenue, back, Formula("r / 100", "sold"), Formula("b / 100", "returned")]
        return Section(
            "Does the shop sell?",
            "Orders and money, in the shop's currency. Reservations that expired are checkouts that did not end.",
            [
                Widget(title="Orders", lines=[placed, refused, returned], period=300),
                Widget(title="Money", lines=money, period=HOUR),
                Widget(title="Requests to the storefront", lines=[Line(visits, "requests")], period=300),
                Widget(title="Today", lines=[placed, refused, returned], days=1),
                Widget(title="Reservations that expired", lines=[Line(expired, "expired")], period=300),
                Widget(title="Oversell guard: must be 0", lines=[Line(oversold, "hits")], days=7),
            ],
        )

    def well(self) -> Section:
        balancer, promised = self.backing.balancer.full_name, self.environment.objectives
        left = [line for one in promised for line in self._failures(one, "100 - 100 * {}")]
        spent = [line for one in promised for line in self._failures(one, "{}")]
        days = promised[0].days
        rates = {f"{burn.word} burn": burn.rate(promised[0]) for burn in BURNS}
        edge = metrics.CDN_ERRORS.of(self.cdn.distribution, metrics.EVERYWHERE)
        return Section(
            "How well?",
            " ".join(f"**{one.subject}**: {one}" for one in promised),
            [
                Widget(title=f"Left of what may fail in {days} days (%)", lines=left, days=days, width=12),
                Widget(title="How fast it goes (1 lasts)", lines=spent, period=HOUR, marks=rates, width=12),
                Widget(title="Failed requests", lines=self._each(metrics.FAULTS)),
                Widget(title="Errors at the edge (%)", lines=[Line(edge, "5xx")]),
                Widget(
                    title="Errors of the load balancer",
                    lines=[
                        Line(metrics.OWN_ERRORS.of(balancer), "its own"),
                        Line(metrics.CONNECTION_ERRORS.of(balancer), "refused by targets"),
                    ],
                ),
                Widget(title="Healthy tasks", lines=self._groups(metrics.HEALTHY_HOSTS)),
                Widget(title="Failed background work", lines=self._owners(metrics.BACKGROUND_FAILURES), period=300),
                Widget(title="Failed in the containers", lines=self._groups(metrics.TARGET_ERRORS)),
            ],
        )

    def _failures(self, objective: Objective, formula: str) -> Iterator[Line | Formula]:
        """From the series of the alarms: how much of what may fail did, where 1 is all of it."""
        subject = objective.subject
        if subject == WHOLE:
            balancer = self.backing.balancer.full_name
            yield Line(metrics.OWN_ERRORS.of(balancer), subject, "own")
            yield Line(metrics.ALL_TARGET_ERRORS.of(balancer), subject, "targets")
            yield Line(metrics.REQUESTS.of(balancer), subject, "total")
            share = UNANSWERED
        else:
            own = self.environment.name, subject
            yield Line(metrics.FAULTS.of(*own), subject, f"{subject}_bad")
            yield Line(metrics.DURATION.of(*own, statistic="SampleCount"), subject, f"{subject}_all")
            share = f"100 * {subject}_bad / {subject}_all"
        yield Formula(formula.format(f"({share}) / {100 - objective.available:.4g}"), subject)

    def fast(self) -> Section:
        quick = [
            Line(metrics.DURATION.of(self.environment.name, one.subject, statistic=f"PR(:{one.within})"), one.subject)
            for one in self.environment.objectives
            if one.subject != WHOLE
        ]
        return Section(
            "How fast?",
            "Milliseconds as the services measure them, on both runtimes; seconds as the load balancer does.",
            [
                Widget(title="Median (ms)", lines=self._each(metrics.DURATION, "p50")),
                Widget(title="p95 (ms)", lines=self._each(metrics.DURATION)),
                Widget(title="p99 (ms)", lines=self._each(metrics.DURATION, "p99")),
                Widget(title="In time (%)", lines=quick, period=300),
                Widget(title="Containers, p95 (s)", lines=self._groups(metrics.TARGET_SECONDS)),
                Widget(title="Database (s)", lines=self._database(metrics.READ_SECONDS, metrics.WRITE_SECONDS)),
            ],
        )

    def runtime(self) -> Section:
        failing = [
            *self._functions(metrics.FUNCTION_ERRORS, "errors "),
            *self._functions(metrics.THROTTLES, "throttles "),
        ]
        return Section(
            "On which runtime?",
            "1 is the functions. `scripts/tandem failover status` says why.",
            [
                Widget(title="Failover", lines=self._each(metrics.FAILOVER_STATE)),
                Widget(title="Requests to containers", lines=self._groups(metrics.TARGET_REQUESTS)),
                Widget(title="Calls of functions", lines=self._functions(metrics.INVOCATIONS)),
                Widget(title="Functions: errors and throttles", lines=failing),
                Widget(title="Functions at once", lines=self._functions(metrics.CONCURRENCY)),
                Widget(title="Cold starts", lines=self._each(metrics.COLD_STARTS)),
            ],
        )

    def runs_out(self) -> Section:
        nats = self._nats(metrics.PORTS_EXHAUSTED, "no port left ")
        return Section(
            "What runs out next?",
            "Tasks scale by CPU, memory and requests; connections of the database do not: docs/capacity.md.",
            [
                Widget(title="CPU of tasks (%)", lines=self._tasks(metrics.TASK_CPU)),
                Widget(title="Memory of tasks (%)", lines=self._tasks(metrics.TASK_MEMORY)),
                Widget(title="Pool: connections in use", lines=self._owners(metrics.POOL_IN_USE)),
                Widget(title="Pool: wait, p95 (ms)", lines=self._owners(metrics.POOL_WAIT)),
                Widget(title="Database: connections", lines=self._database(metrics.CONNECTIONS)),
                Widget(title="Database: CPU (%)", lines=self._database(metrics.DATABASE_CPU)),
                Widget(title="Database: free storage", lines=self._database(metrics.FREE_STORAGE)),
                Widget(title="Database: free memory", lines=self._database(metrics.FREE_MEMORY)),
                *([Widget(title="Ways out", lines=nats)] if nats else []),
            ],
        )

    def costs(self) -> Section:
        balancer, cdn = self.backing.balancer.full_name, (self.cdn.distribution, metrics.EVERYWHERE)
        nats = [*self._nats(metrics.NAT_OUT, "out "), *self._nats(metrics.NAT_IN, "in ")]
        logged = [Line(metrics.LOGGED.of(self.compute.logs[one.service]), one.service) for one in self.workloads]
        return Section(
            "What does it cost?",
            f"What is paid by use. `scripts/tandem cost --env {self.environment.name} --lines` has the prices, and"
            " counts our own metrics, each of which is paid for every value of its dimensions that an hour sees.",
            [
                *([Widget(title="NAT (bytes)", lines=nats, period=HOUR)] if nats else []),
                Widget(
                    title="Load balancer: capacity units",
                    lines=[Line(metrics.CAPACITY_UNITS.of(balancer), "LCU")],
                    period=HOUR,
                ),
                Widget(
                    title="Functions: milliseconds", lines=self._functions(metrics.FUNCTION_MILLISECONDS), period=HOUR
                ),
                Widget(title="Logs taken in (bytes)", lines=logged, period=HOUR),
                Widget(
                    title="CloudFront: requests", lines=[Line(metrics.CDN_REQUESTS.of(*cdn), "requests")], period=HOUR
                ),
                Widget(title="CloudFront: bytes", lines=[Line(metrics.CDN_BYTES.of(*cdn), "bytes")], period=HOUR),
            ],
        )

    def _own(self, metric: Metric, service: str) -> Line:
        return Line(metric.of(self.environment.name, service), metric.name)

    def _each(self, metric: Metric, statistic: str = "") -> list[Line]:
        name = self.environment.name
        return [Line(metric.of(name, one.service, statistic=statistic), one.service) for one in self.workloads]

    def _owners(self, metric: Metric) -> list[Line]:
        """Of the services that have a database: those with background work, too."""
        owners = [service.name for service in self.environment.services if service.database]
        return [Line(metric.of(self.environment.name, service), service) for service in owners]

    def _groups(self, metric: Metric) -> list[Line]:
        balancer = self.backing.balancer.full_name
        return [Line(metric.of(one.target_group, balancer), one.service) for one in self.workloads]

    def _tasks(self, metric: Metric) -> list[Line]:
        return [Line(metric.of(self.compute.cluster, one.name), one.service) for one in self.workloads]

    def _functions(self, metric: Metric, before: str = "") -> list[Line]:
        functions = self.fallback.functions
        return [Line(metric.of(functions[one.service]), before + one.service) for one in self.workloads]

    def _database(self, *shown: Metric) -> list[Line]:
        return [Line(metric.of(self.backing.data.instance), metric.name) for metric in shown]

    def _nats(self, metric: Metric, before: str) -> list[Line]:
        return [Line(metric.of(nat), f"{before}{n}") for n, nat in enumerate(self.foundation.network.nats, 1)]
