"""Whether what several use cases did at once is what they could have done one step at a time, in some order."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.chaos.shelf import Answer, Shelf, Steps


@dataclass(frozen=True, slots=True)
class Act:
    """A use case as the model has it; `most` is how many steps it takes at most, whatever others do."""

    start: Callable[[Shelf], Steps]
    most: int


def explained(before: Shelf, acts: Sequence[Act], answers: Sequence[Answer], after: dict[str, Any]) -> Shelf | None:
    """The shelf as some interleaving of the steps leaves it, with these answers and this state; None if none does."""
    for schedule in schedules([act.most for act in acts]):
        shelf = deepcopy(before)
        if _run([act.start(shelf) for act in acts], schedule) == list(answers) and shelf.state() == after:
            return shelf
    return None


def schedules(counts: Sequence[int]) -> Iterator[list[int]]:
    """Every order in which the steps of several can follow each other, as the numbers of those whose turn it is."""
    if not any(counts):
        yield []
    for turn, count in enumerate(counts):
        if count:
            rest = [left - (position == turn) for position, left in enumerate(counts)]
            for schedule in schedules(rest):
                yield [turn, *schedule]


def _run(running: Sequence[Steps], schedule: Sequence[int]) -> list[Answer | None]:
    answers: list[Answer | None] = [None] * len(running)
    for turn in schedule:
        try:
            next(running[turn])
        except StopIteration as end:
            answers[turn] = answers[turn] or end.value  # who has ended already takes empty steps
    return answers
