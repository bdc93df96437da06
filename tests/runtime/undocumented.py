"""What the services answer beside the operations of their documents: pages, and the doors that every service has."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.runtime.rows import ANY, Row

# What stands for a parameter of such a path.
PARAMETERS = {"number": "@product", "public": "nothing.css"}


@dataclass(frozen=True, slots=True)
class Door:
    method: str
    path: str
    pattern: re.Pattern[str]

    def tried_by(self, row: Row) -> bool:
        return row.method == self.method and bool(self.pattern.match(row.target.partition("?")[0]))

    @property
    def row(self) -> Row:
        """Asked for with nothing but its address, which is enough for what only shows."""
        target = re.sub(r"{(\w+)}", lambda found: PARAMETERS[found[1]], self.path)
        return Row(what=f"{self.method} {self.path}", method=self.method, target=target, statuses=ANY)


def doors(app: Any) -> Iterator[Door]:
    """Of one app; HEAD is asked for wherever GET is and needs no entry."""
    for included in app.routes:
        routes = included.effective_route_contexts() if hasattr(included, "effective_route_contexts") else [included]
        for route in routes:
            if not route.include_in_schema:
                yield from (Door(method, route.path, route.path_regex) for method in sorted(route.methods - {"HEAD"}))


def rows(found: Iterable[Door], known: Iterable[Row]) -> Iterator[Row]:
    """One for each door that no row by hand tries; some are the same in every service."""
    by_hand = list(known)
    missing = {door.row.what: door for door in found if not any(door.tried_by(row) for row in by_hand)}
    yield from (door.row for door in missing.values())
