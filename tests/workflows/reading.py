"""The workflows as values: their jobs, and what each step runs."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.places import ROOT

FOLDER = ROOT / ".github" / "workflows"
COMMAND = re.compile(r"(?:\./|\.local/before/)?scripts/(tandem|test|up)\b([^|>;&\n]*)")
ASSUMES = "aws-actions/configure-aws-credentials"


@dataclass(frozen=True, slots=True)
class Job:
    workflow: str
    name: str
    value: Mapping[str, Any]

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        return list(self.value["steps"])

    @property
    def permissions(self) -> Mapping[str, str]:
        return dict(self.value.get("permissions", {}))

    @property
    def roles(self) -> list[str]:
        """The expressions that name the AWS roles which the job assumes."""
        used = [step for step in self.steps if step.get("uses", "").startswith(ASSUMES)]
        return [step["with"]["role-to-assume"] for step in used]

    @property
    def commands(self) -> Iterator[list[str]]:
        """Each call of a verb as its words; what the shell would put in is a word, too."""
        for step in self.steps:
            for program, rest in COMMAND.findall(step.get("run", "").replace("\\\n", " ")):
                words = shlex.split(rest)
                yield words if program == "tandem" else [program, *words]

    def __str__(self) -> str:
        return f"{self.workflow}/{self.name}"


def workflows() -> dict[str, dict[str, Any]]:
    return {path.stem: loaded(path) for path in sorted(FOLDER.glob("*.yml"))}


def loaded(path: Path) -> dict[str, Any]:
    """YAML 1.1 reads the key `on` as true."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in found.items()}


def jobs() -> list[Job]:
    return [Job(name, job, value) for name, flow in workflows().items() for job, value in flow["jobs"].items()]
