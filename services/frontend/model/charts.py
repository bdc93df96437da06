"""The geometry of charts: where each bar stands, in the units of an SVG's view box. Nothing is drawn here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

WIDTH, HEIGHT = 640, 180
LEFT, BOTTOM, TOP = 64, 24, 8  # room for what is written beside the axes
MARKS = 6  # labels below the bars


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    label: str
    text: str  # its value, as people write it


@dataclass(frozen=True, slots=True)
class Line:
    """A line across at `y`, with its value; or a label below at `x`."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """`empty` when there is nothing but zeros."""

    bars: Sequence[Bar]
    across: Sequence[Line]
    below: Sequence[Line]
    empty: bool


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the largest: `width` is a percentage of it."""

    label: str
    value: int
    width: float


def bars(
    labels: Sequence[str],
    values: Sequence[int],
    *,
    write: Callable[[int], str] = "{:,}".format,
    mark: Callable[[int], str] | None = None,
) -> Bars:
    """Values that are not negative, from left to right. `mark` writes those beside the axis, in little room."""
    mark = mark or write
    top = _ceiling(max(values, default=0))
    room, tall = WIDTH - LEFT, HEIGHT - BOTTOM - TOP
    step = room / max(len(values), 1)
    made = [
        Bar(
            x=round(LEFT + index * step + step * 0.1, 2),
            y=round(TOP + tall - tall * value / top, 2),
            width=round(step * 0.8, 2),
            height=round(tall * value / top, 2),
            label=label,
            text=write(value),
        )
        for index, (label, value) in enumerate(zip(labels, values, strict=True))
    ]
    levels = (0, top // 2, top) if top > 1 else (0, top)
    across = [Line(round(TOP + tall - tall * level / top, 2), mark(level)) for level in levels]
    every = max(1, -(-len(made) // MARKS))
    below = [Line(round(bar.x + bar.width / 2, 2), bar.label) for bar in made[::every]]
    return Bars(made, across, below, empty=not any(values))


def shares(parts: Sequence[tuple[str, int]]) -> list[Share]:
    """Parts with their values, which are not negative, beside the largest of them."""
    most = max((value for _, value in parts), default=0) or 1
    return [Share(label, value, round(100 * value / most, 2)) for label, value in parts]


def _ceiling(value: int) -> int:
    """The next number of the form 1, 2, 4, 5 or 10 times a power of ten: an axis that people can read."""
    if value <= 1:
        return 1
    power = 10 ** floor(log10(value))
    for factor in (1, 2, 4, 5, 10):
        if factor * power >= value:
            return int(factor * power)
    return int(20 * power)
