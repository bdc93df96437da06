"""Dashboards that CloudWatch draws, of what is there."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.series import DIMENSIONS, is_named, unheard_of
from cfn.doctor.values import dig, items, references

rule = Rules()
BOARD = "AWS::CloudWatch::Dashboard"
ACROSS = 24  # columns
MOST_WIDGETS, MOST_SERIES, MOST_OF_ONE = 500, 2500, 500  # "CloudWatch service quotas"


@lru_cache(maxsize=8)
def widgets(board: Resource) -> list[dict[str, Any]]:
    """None when the body is not what it should be. What is filled in later stands in it as its own name."""
    try:
        return [
            one for one in items(dig(json.loads(str(board.get("DashboardBody"))), "widgets")) if isinstance(one, dict)
        ]
    except ValueError:
        return []


def series(widget: dict[str, Any]) -> list[list[Any]]:
    """Without formulas."""
    return [one for one in items(dig(widget, "properties", "metrics")) if isinstance(one, list) and len(one) > 1]


@rule("TND-OBS-08", "The dashboard is one that CloudWatch can draw", Severity.WARNING)
def drawn(world: World) -> Iterator[Fault]:
    """Its body is JSON in a string; a comma too many is refused. Widgets stand side by side, and there is a number of
    them, and of series, above which nothing is drawn."""
    for board in world.of(BOARD):
        found = widgets(board)
        if not found:
            yield Fault(board, "DashboardBody", "it is no JSON with widgets", "write one")
        count = [len(series(one)) for one in found]
        if len(found) > MOST_WIDGETS or sum(count) > MOST_SERIES or max(count, default=0) > MOST_OF_ONE:
            yield Fault(board, "DashboardBody", f"{len(found)} widgets of {sum(count)} series", "draw less")
        taken: set[tuple[int, int]] = set()
        for widget in found:
            cells = {(x, y) for x in _span(widget, "x", "width") for y in _span(widget, "y", "height")}
            if not cells or cells & taken or max(x for x, _ in cells) >= ACROSS:
                yield Fault(board, "DashboardBody", f"{_title(widget)} lies on another widget", "move it")
            taken |= cells


def _span(widget: dict[str, Any], start: str, length: str) -> range:
    first = int(widget.get(start) or 0)
    return range(first, first + int(widget.get(length) or 0))


def _title(widget: dict[str, Any]) -> str:
    return str(dig(widget, "properties", "title") or dig(widget, "properties", "markdown"))


@rule("TND-OBS-17", "Somebody emits what a dashboard draws, under exactly these dimensions")
def emitted(world: World) -> Iterator[Fault]:
    """A series that nobody emits is an empty widget, which looks like a quiet shop."""
    for board in world.of(BOARD):
        known = {str(one): one for one in references(board.get("DashboardBody"))}
        for widget in widgets(board):
            for line in series(widget):
                namespace, name, *rest = line
                pairs = rest[: len(rest) // 2 * 2]
                given = {
                    str(key): known.get(str(value), value) for key, value in zip(pairs[::2], pairs[1::2], strict=True)
                }
                problem = unheard_of(world, str(namespace), str(name), given)
                wrong = [
                    key
                    for key, value in given.items()
                    if key in DIMENSIONS and not is_named(world, value, *DIMENSIONS[key])
                ]
                if problem or wrong:
                    said = problem or f"{wrong[0]} of {name} is no name that CloudWatch knows"
                    yield Fault(board, "DashboardBody", f"{_title(widget)}: {said}", "draw what is emitted")
