"""Service levels: alarms on how fast what may fail is used up, each over a long window and a short one.

The long window says that it matters, the short one that it goes on: the message ends minutes after the cause does.
Rates and windows are those of "Alerting on SLOs" in Google's Site Reliability Workbook (table 5-8): the fast burn wakes
somebody, the slow one is for working hours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import Template
from troposphere.cloudwatch import Alarm

from cfn.alarms import Limit, alarm, any_of_all, calculated, composite
from cfn.environments import Environment
from cfn.foundation import Backing, Foundation
from cfn.metrics import ALL_TARGET_ERRORS, DURATION, FAULTS, OWN_ERRORS, REQUESTS, Series
from cfn.promises import WHOLE, Objective
from cfn.wiring import Value

HOUR = 3600
SHORT = 12  # the short window is that part of the long one
LEAST = 10  # failures in the long window; fewer are no pattern, and one could use up a quiet night's budget
SHARE = "100 * bad / total"
SHARE_LONG = f"IF(bad >= {LEAST}, {SHARE}, 0)"
UNANSWERED = "100 * (FILL(own, 0) + FILL(targets, 0)) / (FILL(total, 0) + FILL(own, 0))"
UNANSWERED_LONG = f"IF(FILL(own, 0) + FILL(targets, 0) >= {LEAST}, {UNANSWERED}, 0)"


@dataclass(frozen=True, slots=True)
class Burn:
    """`share` of the budget is gone after `hours`."""

    word: str
    severity: str
    share: float
    hours: int

    @property
    def windows(self) -> tuple[int, int]:
        """The long one and the short one, in seconds."""
        return self.hours * HOUR, self.hours * HOUR // SHORT

    def rate(self, objective: Objective) -> float:
        """How many times as fast as it may go for all of the objective's days."""
        return round(self.share * objective.days * 24 / self.hours, 4)


BURNS = (Burn("fast", "critical", 0.02, 1), Burn("slow", "warning", 0.05, 6))  # of 30 days: 14.4 times, and 6 times


def objectives(template: Template, environment: Environment, foundation: Foundation, backing: Backing) -> None:
    for objective in environment.objectives:
        for burn in BURNS:
            windows = Windows(template, environment, objective, burn)
            if objective.subject == WHOLE:
                pairs = [_unanswered(windows, backing.balancer.full_name)]
            else:
                pairs = [_failing(windows), _late(windows)]
            composite(
                template,
                environment,
                foundation.alerts,
                (objective.subject, "burn", burn.word),
                f"[{burn.severity}] {100 * burn.share:g} % of what may go wrong in {objective.days} days went in"
                f" {burn.hours} h, {burn.rate(objective):g} times as fast as it may, and it goes on. {objective}",
                any_of_all(*pairs),
            )


@dataclass(frozen=True, slots=True)
class Windows:
    """Makes the alarms of one burn of one objective. Each is on when more than `most` per cent of a window is bad."""

    template: Template
    environment: Environment
    objective: Objective
    burn: Burn

    def most(self, target: float) -> float:
        return round(self.burn.rate(self.objective) * (100 - target), 4)

    def pair(self, what: str, series: Mapping[str, Series], expressions: tuple[str, str], most: float) -> list[Alarm]:
        """Of the long window and of the short one."""
        return [
            self.calculated(what, window, series, expression, most)
            for window, expression in zip(self.burn.windows, expressions, strict=True)
        ]

    def calculated(self, what: str, window: int, series: Mapping[str, Series], share: str, most: float) -> Alarm:
        where = self.template, self.environment, None
        return calculated(*where, self._parts(what, window), self._said(most), series, share, _limit(most, window))

    def plain(self, what: str, window: int, series: Series, most: float) -> Alarm:
        where = self.template, self.environment, None
        return alarm(*where, self._parts(what, window), self._said(most), series, _limit(most, window))

    def _parts(self, what: str, window: int) -> tuple[str, ...]:
        return self.objective.subject, what, f"{window // HOUR}h" if window >= HOUR else f"{window // 60}m"

    def _said(self, most: float) -> str:
        rate, teller = self.burn.rate(self.objective), f"{self.objective.subject}-burn-{self.burn.word}"
        return f"More than {most:g} % went wrong: {rate:g} times what the objective allows. {teller} tells it."


def _limit(most: float, window: int) -> Limit:
    return Limit(threshold=most, period=window, periods=1, datapoints=1)


def _failing(windows: Windows) -> list[Alarm]:
    own, most = (windows.environment.name, windows.objective.subject), windows.most(windows.objective.available)
    counted = {"bad": FAULTS.of(*own), "total": DURATION.of(*own, statistic="SampleCount")}
    return windows.pair("failing", counted, (SHARE_LONG, SHARE), most)


def _late(windows: Windows) -> list[Alarm]:
    """TC counts the values of a range, PR says how many per cent they are."""
    own, most = (windows.environment.name, windows.objective.subject), windows.most(windows.objective.quick)
    long, short = windows.burn.windows
    beyond = f"({windows.objective.within}:)"
    counted = {
        "bad": DURATION.of(*own, statistic=f"TC{beyond}"),
        "total": DURATION.of(*own, statistic="SampleCount"),
    }
    return [
        windows.calculated("late", long, counted, SHARE_LONG, most),
        windows.plain("late", short, DURATION.of(*own, statistic=f"PR{beyond}"), most),
    ]


def _unanswered(windows: Windows, balancer: Value) -> list[Alarm]:
    """What the load balancer saw fail, above all what has reached no service."""
    counted = {
        "own": OWN_ERRORS.of(balancer),
        "targets": ALL_TARGET_ERRORS.of(balancer),
        "total": REQUESTS.of(balancer),
    }
    most = windows.most(windows.objective.available)
    return windows.pair("failing", counted, (UNANSWERED_LONG, UNANSWERED), most)
