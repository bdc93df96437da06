"""Reads what `synth` wrote: the manifest with the order of stacks, their templates and the parameters they get."""

import hashlib
import json
from pathlib import Path
from typing import Any

from cfn.doctor.graph import Stack


class Unreadable(Exception):
    """The folder is not one of rendered templates; the message is one sentence for the person at the terminal."""


def read(folder: Path) -> list[Stack]:
    manifest = _json(folder / "manifest.json")
    if not isinstance(manifest, dict) or not manifest.get("stacks"):
        raise Unreadable(f"{folder / 'manifest.json'} names no stacks")
    return [_stack(folder, entry) for entry in manifest["stacks"]]


def _stack(folder: Path, entry: dict[str, Any]) -> Stack:
    template = folder / entry["template"]
    if template.exists() and hashlib.sha256(template.read_bytes()).hexdigest() != entry.get("sha256"):
        raise Unreadable(f"{template} is not what the manifest says; render the templates again")
    return Stack(
        name=entry["name"],
        body=_json(template),
        parameters=_json(folder / entry["parameters"]) if entry.get("parameters") else {},
        region=entry.get("region", "us-east-1"),
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise Unreadable(f"there is no {path}; render the templates first") from None
    except ValueError as error:
        raise Unreadable(f"{path} is no JSON: {error}") from None
