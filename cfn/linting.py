"""What linters found, against the one reviewed list of exceptions. The linters themselves are run elsewhere."""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

Tool = Literal["cfn-lint", "checkov"]
EXCEPTIONS = Path(__file__).with_name("exceptions.toml")


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    tool: Tool
    rule: str
    where: str  # stack/LogicalId
    message: str = ""

    def __str__(self) -> str:
        return f"{self.tool} {self.rule} {self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Exemption:
    tool: Tool
    rule: str
    where: str
    reason: str

    def covers(self, complaint: Complaint) -> bool:
        same = (self.tool, self.rule) == (complaint.tool, complaint.rule)
        return same and fnmatchcase(complaint.where, self.where)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Complaints that nobody excused, and excuses that nobody needs."""

    unexpected: tuple[Complaint, ...]
    stale: tuple[Exemption, ...]


def exemptions(path: Path = EXCEPTIONS) -> tuple[Exemption, ...]:
    return tuple(Exemption(**entry) for entry in tomllib.loads(path.read_text()).get("exception", ()))


def judge(tool: Tool, complaints: Iterable[Complaint], listed: Sequence[Exemption]) -> Verdict:
    """Complaints of one tool over all environments: an exception is stale only when none of them needs it."""
    found = sorted(set(complaints))
    own = [exemption for exemption in listed if exemption.tool == tool]
    return Verdict(
        unexpected=tuple(one for one in found if not any(exemption.covers(one) for exemption in own)),
        stale=tuple(exemption for exemption in own if not any(exemption.covers(one) for one in found)),
    )


def checkov_complaints(report: Any) -> Iterator[Complaint]:
    """From checkov's JSON, which is one report, or a list of them when there are several kinds of file."""
    for part in report if isinstance(report, list) else [report]:
        for check in part.get("results", {}).get("failed_checks", ()):
            place = f"{Path(check['file_path']).stem}/{check['resource'].rpartition('.')[2]}"
            yield Complaint("checkov", check["check_id"], place, check["check_name"])


def cfn_lint_complaints(report: Any) -> Iterator[Complaint]:
    """From cfn-lint's JSON; what lies outside the resources is placed by its section."""
    for match in report:
        path = match["Location"]["Path"] or [""]
        name = path[1] if path[0] == "Resources" and len(path) > 1 else path[0]
        place = f"{Path(match['Filename']).stem}/{name}"
        yield Complaint("cfn-lint", match["Rule"]["Id"], place, match["Message"])
