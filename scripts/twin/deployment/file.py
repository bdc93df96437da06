"""A deployment as a file: `up` writes it, the load balancer reads it and writes down what is changed while it runs."""

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from scripts.twin.deployment.values import Deployment
from scripts.twin.keys import write_private


def save(deployment: Deployment, path: Path) -> None:
    """Its owner's alone, because rules compare with secrets."""
    write_private(path, json.dumps(asdict(deployment), default=sorted, indent=1))


def load(path: Path) -> Deployment:
    found: Deployment = decoded(Deployment, json.loads(path.read_text()))
    return found


def decoded(kind: Any, value: Any) -> Any:
    """A value of this type from what JSON made of it."""
    if is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{each.name: decoded(hints[each.name], value[each.name]) for each in fields(kind)})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else decoded(arguments[0], value)
    if origin in {tuple, frozenset}:
        return origin(decoded(arguments[0], item) for item in value)
    if origin is Mapping:
        return dict(value)
    return value
