"""Which rule takes a request ("Condition types for listener rules")."""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scripts.twin.deployment.values import Condition, Rule

Headers = Sequence[tuple[bytes, bytes]]
WILD = {"*": ".*", "?": "."}


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request the rules look at. The path is as it was sent; names of headers are in lower case."""

    method: str
    path: str
    headers: Headers

    def header(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key == wanted]


def first_match(rules: Iterable[Rule], asked: Asked) -> Rule:
    """The first whose conditions all hold; rules come in the order of their priority, the default last."""
    return next(rule for rule in rules if all(holds(condition, asked) for condition in rule.conditions))


def holds(condition: Condition, asked: Asked) -> bool:
    match condition.field:
        case "path-pattern":
            return bool(pattern(condition.values).match(asked.path))
        case "http-request-method":
            return asked.method in condition.values
        case "http-header":
            found = asked.header(condition.header)
        case "host-header":
            found = [host.partition(":")[0] for host in asked.header("host")]
        case unknown:
            raise ValueError(unknown)
    return any(pattern(condition.values, ignore_case=True).match(value) for value in found)


@functools.cache
def pattern(values: tuple[str, ...], *, ignore_case: bool = False) -> re.Pattern[str]:
    """`*` is any number of characters, slashes too, `?` exactly one, and the whole text must match.

    Case counts in paths and not in headers and hosts.
    """
    parts = ("".join(WILD.get(character, re.escape(character)) for character in value) for value in values)
    return re.compile(rf"(?:{'|'.join(parts)})\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))
