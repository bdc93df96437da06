"""Widgets of a CloudWatch dashboard: what each draws, and where on the page it stands.

"Dashboard body structure and syntax" in the CloudWatch API reference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cfn.metrics import Series

ACROSS, HEIGHT, HEADING = 24, 6, 2  # columns of the page; rows of a widget, and of a text


@dataclass(frozen=True, slots=True)
class Line:
    """A series; one with a `name` is not drawn itself, but used by a formula."""

    series: Series
    label: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Formula:
    expression: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """`days` shows one number over so many days instead of a curve; `marks` are lines drawn across it."""

    title: str
    lines: Sequence[Line | Formula]
    period: int = 60
    days: int = 0
    width: int = 8
    marks: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """What the page answers there, with a text in Markdown below the question."""

    question: str
    text: str
    widgets: Sequence[Widget]


def body(sections: Sequence[Section]) -> dict[str, Any]:
    """Sections one below the other; within each, rows from left to right."""
    placed: list[dict[str, Any]] = []
    top = 0
    for section in sections:
        words = {"markdown": f"## {section.question}\n{section.text}"}
        placed.append({"type": "text", "x": 0, "y": top, "width": ACROSS, "height": HEADING, "properties": words})
        top += HEADING
        left = 0
        for widget in section.widgets:
            if left + widget.width > ACROSS:
                left, top = 0, top + HEIGHT
            place = {"x": left, "y": top, "width": widget.width, "height": HEIGHT}
            placed.append({"type": "metric", **place, "properties": _properties(widget)})
            left += widget.width
        top += HEIGHT
    return {"widgets": placed}


def _properties(widget: Widget) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "title": widget.title,
        "metrics": [_drawn(one) for one in widget.lines],
        "region": "${AWS::Region}",
        "period": widget.period,
        "view": "timeSeries",
    }
    if widget.days:
        properties |= {"view": "singleValue", "setPeriodToTimeRange": True, "start": f"-P{widget.days}D", "end": "P0D"}
    if widget.marks:
        marks = [{"label": label, "value": value} for label, value in widget.marks.items()]
        properties["annotations"] = {"horizontal": marks}
    return properties


def _drawn(line: Line | Formula) -> list[Any]:
    if isinstance(line, Formula):
        return [{"expression": line.expression, "label": line.label}]
    metric = line.series.metric
    named = {"id": line.name, "visible": False} if line.name else {}
    return [
        metric.namespace,
        metric.name,
        *_flat(line.series),
        {"label": line.label, "stat": line.series.statistic, **named},
    ]


def _flat(series: Series) -> Iterator[Any]:
    for name, value in series.dimensions:
        yield name
        yield value
