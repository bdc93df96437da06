"""How the shop is used: named assumptions, each with a unit and a reason, some different by environment."""

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("usage.toml")


class BadAssumption(ValueError):
    """An assumption that cannot be; the message is one sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Assumption:
    name: str
    value: float
    unit: str
    why: str
    by_environment: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Usage:
    values: Mapping[str, float]
    given: frozenset[str] = frozenset()  # by the person who asks, instead of the file

    def __getitem__(self, name: str) -> float:
        return self.values[name]


@cache
def assumptions() -> Mapping[str, Assumption]:
    written = tomllib.loads(FILE.read_text())
    return {
        name: Assumption(name, entry["value"], entry["unit"], entry["why"], entry.get("in", {}))
        for name, entry in written.items()
    }


def usage(environment: str, given: Mapping[str, float]) -> Usage:
    values = {name: one.by_environment.get(environment, one.value) for name, one in assumptions().items()}
    return Usage({**values, **given}, frozenset(given))


def parsed(settings: Sequence[str]) -> dict[str, float]:
    """Of NAME=VALUE texts. Raises BadAssumption."""
    return dict(_one(text) for text in settings)


def _one(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadAssumption(f"An assumption is given as NAME=VALUE, such as requests=5, not {text!r}.")
    if name not in assumptions():
        near = difflib.get_close_matches(name, assumptions(), n=1)
        hint = f"did you mean {near[0]}?" if near else "--assumptions lists them."
        raise BadAssumption(f"There is no assumption {name!r}; {hint}")
    try:
        number = float(value)
    except ValueError:
        raise BadAssumption(f"{name} is a number, not {value!r}.") from None
    if not (math.isfinite(number) and number >= 0):
        raise BadAssumption(f"{name} is 0 or more, not {value}.")
    if assumptions()[name].unit == "share" and number > 1:
        raise BadAssumption(f"{name} is a share from 0 to 1, not {value}.")
    if name == "requests_per_connection" and not number:
        raise BadAssumption("requests_per_connection is above 0: every connection carries a request.")
    return name, number
