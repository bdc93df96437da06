"""What a rule is, and what it finds."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from cfn.doctor.graph import Resource, World


class Severity(StrEnum):
    CRITICAL = "critical"  # somebody gets in, or data is lost
    ERROR = "error"  # it will not deploy, or not work, or not survive
    WARNING = "warning"  # it works, and costs time or money one day


@dataclass(frozen=True, slots=True)
class Fault:
    """Where it is wrong, what is wrong, and how to mend it. `where` is a resource or the name of a stack."""

    where: Resource | str
    path: str
    wrong: str
    mend: str


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    severity: Severity
    stack: str
    resource: str
    path: str
    wrong: str
    mend: str


Check = Callable[[World], Iterable[Fault]]


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    severity: Severity
    title: str
    check: Check

    @property
    def reason(self) -> str:
        return inspect.getdoc(self.check) or ""

    def findings(self, world: World) -> Iterator[Finding]:
        """A template of a shape that no rule expects is a finding too, not a crash."""
        try:
            yield from self._findings(world)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            wrong = f"a property has a shape that {self.id} cannot read ({error})"
            yield Finding(self.id, self.severity, "", "", "", wrong, "write it as CloudFormation documents it")

    def _findings(self, world: World) -> Iterator[Finding]:
        for fault in self.check(world):
            whole = isinstance(fault.where, str)
            stack, resource = (fault.where, "") if whole else fault.where.key  # type: ignore[union-attr]
            yield Finding(self.id, self.severity, str(stack), resource, fault.path, fault.wrong, fault.mend)


class Rules:
    """The rules of one area; a module of rules has one and decorates with it."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def __call__(self, name: str, title: str, severity: Severity = Severity.ERROR) -> Callable[[Check], Check]:
        def register(check: Check) -> Check:
            self.rules.append(Rule(name, severity, title, check))
            return check

        return register
