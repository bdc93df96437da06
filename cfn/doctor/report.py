"""Findings as a table for people, as JSON for machines, and a rule explained."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from cfn.doctor.findings import Finding, Rule

WIDTH = 110


def as_json(environment: str, rules: int, findings: Sequence[Finding]) -> str:
    body = {"environment": environment, "rules": rules, "findings": [asdict(finding) for finding in findings]}
    return json.dumps(body, indent=2, sort_keys=True)


def as_table(environment: str, rules: int, findings: Sequence[Finding]) -> str:
    return "\n".join(_lines(environment, rules, findings))


def _lines(environment: str, rules: int, findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        place = "/".join(filter(None, (finding.stack, finding.resource)))
        yield f"{finding.rule:<11} {finding.severity:<8} {place}" + (f" {finding.path}" if finding.path else "")
        sentence = f"{finding.wrong[:1].upper()}{finding.wrong[1:]}; {finding.mend}."
        yield textwrap.indent(textwrap.fill(sentence, WIDTH - 21), " " * 21)
    verdict = f"{len(findings)} finding{'s'[: len(findings) != 1]}" if findings else "nothing to find fault with"
    yield f"{environment}: {rules} rules, {verdict}."


def explain(rule: Rule) -> str:
    return f"{rule.id} ({rule.severity}): {rule.title}.\n\n{textwrap.fill(' '.join(rule.reason.split()), WIDTH)}"


def listed(rules: Sequence[Rule]) -> str:
    return "\n".join(f"{rule.id:<11} {rule.severity:<8} {rule.title}" for rule in rules)
