"""The same deployment under other names: every logical id, output and export."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfn.doctor.graph import Stack

VARIABLE = re.compile(r"\$\{(!?)([^}.]+)(\.[^}]+)?\}")


def renamed(stacks: list[Stack]) -> list[Stack]:
    exports = {
        output["Export"]["Name"]: other(output["Export"]["Name"])
        for stack in stacks
        for output in stack.body.get("Outputs", {}).values()
        if "Export" in output
    }
    return [_renamed(stack, exports) for stack in stacks]


def other(name: str) -> str:
    return "R" + hashlib.sha256(name.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Renaming:
    ids: Mapping[str, str]
    exports: Mapping[str, str]

    def of(self, value: Any) -> Any:
        match value:
            case {"Ref": str(name)}:
                return {"Ref": self.ids.get(name, name)}
            case {"Fn::GetAtt": [str(name), attribute]}:
                return {"Fn::GetAtt": [self.ids.get(name, name), attribute]}
            case {"Fn::ImportValue": str(name)}:
                return {"Fn::ImportValue": self.exports[name]}
            case {"Fn::Sub": [str(template), values]}:
                return {"Fn::Sub": [self.within(template, values), self.of(values)]}
            case {"Fn::Sub": str(template)}:
                return {"Fn::Sub": self.within(template, {})}
        return self.inside(value)

    def inside(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
        return [self.of(item) for item in value] if isinstance(value, list) else value

    def within(self, template: str, own: Mapping[str, Any]) -> str:
        def variable(match: re.Match[str]) -> str:
            escaped, name, attribute = match.groups()
            kept = escaped or name in own
            return match[0] if kept else "${" + self.ids.get(name, name) + (attribute or "") + "}"

        return VARIABLE.sub(variable, template)

    def resource(self, body: dict[str, Any]) -> Any:
        moved = self.of(body)
        if waits := body.get("DependsOn"):
            moved["DependsOn"] = [self.ids[one] for one in ([waits] if isinstance(waits, str) else waits)]
        return moved

    def output(self, body: dict[str, Any]) -> Any:
        moved = self.of(body)
        return moved | {"Export": {"Name": self.exports[moved["Export"]["Name"]]}} if "Export" in moved else moved


def _renamed(stack: Stack, exports: dict[str, str]) -> Stack:
    naming = Renaming({name: other(name) for name in stack.body["Resources"]}, exports)
    changed = {
        "Resources": {other(name): naming.resource(body) for name, body in stack.body["Resources"].items()},
        "Outputs": {other(name): naming.output(body) for name, body in stack.body.get("Outputs", {}).items()},
    }
    return Stack(stack.name, {**stack.body, **changed}, stack.parameters, stack.region)
