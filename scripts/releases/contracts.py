"""Exports that a change would take away from stacks that still read them: CloudFormation refuses it in the middle."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.releases.differences import Difference


def broken(differences: Sequence[Difference]) -> Iterator[str]:
    """A sentence for each export that goes while the deployed template of a later stack imports it."""
    readers: dict[str, list[str]] = {}
    for one in differences:
        for name in imported(one.live.template if one.live else {}):
            readers.setdefault(name, []).append(one.stack.name)
    for one in differences:
        if one.live is None or one.new:
            continue
        gone = exported(one.live.template) - exported(json.loads(one.stack.body))
        for name in sorted(gone & set(readers)):
            yield (
                f"{one.stack.name} would no longer export {name}, which {' and '.join(readers[name])} as deployed now"
                " still reads. Deploy a version first that no longer reads it, and take the export away with the next."
            )


def exported(template: Mapping[str, Any]) -> set[str]:
    return {one["Export"]["Name"] for one in template.get("Outputs", {}).values() if "Export" in one}


def imported(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        found = value.get("Fn::ImportValue")
        own = {found} if isinstance(found, str) else set()
        return own.union(*(imported(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(imported(item) for item in value))
    return set()
