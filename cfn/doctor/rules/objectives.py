"""Service levels: what is promised is watched, by pairs of windows that burn together."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.metrics import ALARM, COMPOSITE, dimensions, metrics, periods_of, spoken_for
from cfn.doctor.values import dig, items, number, references

rule = Rules()
SHORT = 12  # part of the long window
RATES = {3600: 14.4, 21_600: 6.0}  # by the seconds of the long window, of 30 days
PAIR = re.compile(r'\(ALARM\("([^"]+)"\) AND ALARM\("([^"]+)"\)\)')
FAILING = {"Faults", "HTTPCode_ELB_5XX_Count"}


class Promise(NamedTuple):
    """So many per cent of the requests to the subject may be late, or fail; late is after `within` milliseconds."""

    subject: str
    what: str
    share: float
    within: int
    seconds: int  # of the long window that watches it


@rule("TND-OBS-18", "A budget burns in a long window and in a short one, as fast as the objective says")
def windows(world: World) -> Iterator[Fault]:
    """One window alone cries for long after the cause is gone, or at every hiccup. Both ask for the same rate of the
    same promise, and the composite alarm of both tells it."""
    watched = set()
    for composite in world.of(COMPOSITE):
        parts = [alarm for alarm in world.all_at(composite.get("AlarmRule"), ALARM) if spoken_for(world, alarm)]
        found = list(_pairs(world, composite))
        if len(parts) != 2 * len(found):
            yield Fault(composite, "AlarmRule", "windows stand alone in it", "write (ALARM(long) AND ALARM(short))")
        for long, short in found:
            said, other = _promise(long, 1), _promise(short, SHORT)
            if said is None or said != other:
                yield Fault(short, "Threshold", f"{other} is not {said}", f"ask for the rate of {long}")
            else:
                watched.add(said)
    for promise in sorted(_promised(world) ^ watched):
        for service in world.of("AWS::ECS::Service")[:1]:
            yield Fault(
                service, "", f"what is watched and what is promised differ in {promise}", "watch what is promised"
            )


def _pairs(world: World, composite: Resource) -> Iterator[tuple[Resource, Resource]]:
    """The longer window first."""
    known = {str(one): world.at(one, ALARM) for one in references(composite.get("AlarmRule"))}
    for names in PAIR.findall(str(composite.get("AlarmRule"))):
        pair = [alarm for name in names if (alarm := known.get(name)) and spoken_for(world, alarm)]
        if len(pair) == 2:
            long, short = sorted(pair, key=_window, reverse=True)
            yield long, short


def _window(alarm: Resource) -> float:
    return max((seconds or 0 for _, seconds in periods_of(alarm)), default=0)


def _promise(alarm: Resource, times: int) -> Promise | None:
    """What a window promises, by its threshold and its rate; so many `times` it is in the long one."""
    seconds = int(_window(alarm) * times)
    threshold, rate = number(alarm.get("Threshold")), RATES.get(seconds)
    found = [metric for _, metric in metrics(alarm)]
    if threshold is None or rate is None or not found:
        return None
    what = "failing" if any(one.get("MetricName") in FAILING for one in found) else "late"
    stats = [str(alarm.get("ExtendedStatistic"))]
    stats += [str(dig(query, "MetricStat", "Stat")) for query in items(alarm.get("Metrics"))]
    within = [int(limit) for stat in stats for limit in re.findall(r"^(?:PR|TC)\((\d+):\)$", stat)]
    subject = str(dimensions(found[0]).get("service", "shop"))
    return Promise(subject, what, round(threshold / rate, 4), within[0] if within else 0, seconds)


def _promised(world: World) -> set[Promise]:
    """As the expectations have it."""
    found = set()
    for subject, (available, quick, within) in world.expectations.objectives.items():
        for seconds in RATES:
            found.add(Promise(subject, "failing", round(100 - available, 4), 0, seconds))
            if quick:
                found.add(Promise(subject, "late", round(100 - quick, 4), within, seconds))
    return found
