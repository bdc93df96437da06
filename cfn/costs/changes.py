"""What another rendering of the same environment would cost instead, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass

from cfn.costs.lines import Line

LEAST = 0.005  # dollars: less than half a cent is no change


@dataclass(frozen=True, slots=True)
class Change:
    stack: str
    resource: str
    what: str
    before: Line | None
    after: Line | None

    @property
    def difference(self) -> float:
        return (self.after.usd if self.after else 0) - (self.before.usd if self.before else 0)


def changes(before: Sequence[Line], after: Sequence[Line]) -> list[Change]:
    """The dearest first. A line that costs nothing, before and after, is none."""
    old, new = ({line.key: line for line in lines} for lines in (before, after))
    keys = dict.fromkeys((*old, *new))
    found = [Change(*key, old.get(key), new.get(key)) for key in keys]
    return sorted(
        (change for change in found if abs(change.difference) >= LEAST),
        key=lambda change: (-abs(change.difference), change.stack, change.resource, change.what),
    )
