"""What a property is after every intrinsic has been resolved: plain JSON, or one of the few things AWS fills in.

A text in which something stays open is a `Text` of parts; a part alone is just that part.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource of some stack, or one of its attributes. Imports have already been followed to where they lead."""

    stack: str
    resource: str
    attribute: str = ""

    def __str__(self) -> str:
        return f"{self.stack}/{self.resource}" + (f".{self.attribute}" if self.attribute else "")


@dataclass(frozen=True, slots=True)
class Pseudo:
    """AWS::Partition, AWS::Region and their like."""

    name: str

    def __str__(self) -> str:
        return "${" + self.name + "}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A parameter that is filled in at deployment, or whatever could not be resolved (that is reported by itself)."""

    name: str

    def __str__(self) -> str:
        return f"<{self.name}>"


@dataclass(frozen=True, slots=True)
class Call:
    """An intrinsic whose answer only the account knows: the zones of a region, the pieces of an attribute."""

    name: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


Part = str | Reference | Pseudo | Unknown | Call


@dataclass(frozen=True, slots=True)
class Text:
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


def text(parts: list[Any]) -> Any:
    """Adjacent strings become one; what is then a single part needs no wrapping."""
    merged: list[Any] = []
    for part in parts:
        for piece in part.parts if isinstance(part, Text) else (part,):
            piece_text = piece if isinstance(piece, Reference | Pseudo | Unknown | Call) else literal(piece)
            if isinstance(piece_text, str) and merged and isinstance(merged[-1], str):
                merged[-1] += piece_text
            elif piece_text != "":
                merged.append(piece_text)
    if not merged:
        return ""
    return merged[0] if len(merged) == 1 else Text(tuple(merged))


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


PLAIN = (str, int, float, type(None))


def references(value: Any) -> Iterator[Reference]:
    """Every reference anywhere inside."""
    if isinstance(value, Reference):
        yield value
        return
    inside: Iterable[Any] = ()
    if isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, list | tuple):
        inside = value
    elif isinstance(value, Text):
        inside = value.parts
    elif isinstance(value, Call):
        inside = value.arguments
    for item in inside:
        if not isinstance(item, PLAIN):
            yield from references(item)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that is neither an object nor a list, with where it stands."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
    else:
        yield path, value


def only(value: Any) -> Reference | None:
    """The reference a value is, or the single one it is made of."""
    if isinstance(value, Reference):
        return value
    found = set(references(value))
    return found.pop() if len(found) == 1 else None


def truth(value: Any) -> bool | None:
    """CloudFormation takes "true" for true; anything that is neither is None."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def items(value: Any) -> list[Any]:
    """Where AWS takes one or a list, a list; nothing is an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def dig(value: Any, *path: str | int) -> Any:
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value
