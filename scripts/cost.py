"""Price the templates of an environment line by line. Reads the repository only: no account, no network."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfn.costs import report
from cfn.costs.changes import Change, changes
from cfn.costs.estimate import Estimate, estimate
from cfn.costs.table import Unpriced, table
from cfn.costs.usage import BadAssumption, Usage, parsed, usage
from cfn.doctor.graph import Stack
from cfn.doctor.reading import Unreadable, read
from cfn.environments import ENVIRONMENTS, Environment, environment
from cfn.stacks import render
from cfn.values import BadValue
from scripts.synth import MANIFEST
from scripts.terminal import Problem, Terminal

SUMMARY = "say what an environment costs a month"


@dataclass(frozen=True, slots=True)
class Answer:
    estimate: Estimate
    before: Estimate | None

    @property
    def changes(self) -> list[Change]:
        return changes(self.before.lines, self.estimate.lines) if self.before else []


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", metavar="E", help=f"one of {', '.join(ENVIRONMENTS)}; all of them without this")
    parser.add_argument("--lines", action="store_true", help="show each resource's lines, not only their groups")
    parser.add_argument(
        "--diff", type=Path, metavar="DIR", help="compare with the templates that `tandem synth --out DIR` wrote there"
    )
    parser.add_argument("--json", action="store_true", help="for machines: every line, with its price and where from")
    parser.add_argument(
        "--assume", action="append", default=[], metavar="NAME=VALUE", help="change an assumption; can be repeated"
    )
    parser.add_argument("--assumptions", action="store_true", help="print what is assumed, and stop")


def run(options: argparse.Namespace) -> int:
    terminal = Terminal()
    try:
        chosen = [environment(options.env)] if options.env else list(ENVIRONMENTS.values())
        given = parsed(options.assume)
        used = {one.name: usage(one.name, given) for one in chosen}
        if options.assumptions:
            _say(terminal, (report.assumed(name, used[name]) for name in used))
            return 0
        answers = [_answer(one, used[one.name], options.diff) for one in chosen]
    except (BadAssumption, BadValue, Unpriced, Unreadable) as error:
        raise Problem(str(error)) from None
    if options.json:
        terminal.say(json.dumps(_data(answers), indent=2, sort_keys=True))
    else:
        _say(terminal, (_text(answer, lines=options.lines) for answer in answers))
    return 0


def _answer(chosen: Environment, used: Usage, earlier: Path | None) -> Answer:
    now = estimate(chosen.name, rendered(chosen), used)
    before = estimate(chosen.name, read(_folder(earlier, chosen.name)), used) if earlier else None
    return Answer(now, before)


def rendered(chosen: Environment) -> list[Stack]:
    """As `read` would have them from files."""
    return [Stack(one.name, json.loads(one.body), one.parameters, chosen.region) for one in render(chosen)]


def _folder(earlier: Path, name: str) -> Path:
    """`synth --out` makes a folder for each environment; one of these may be given, too, if it is the right one."""
    inside = earlier / name
    if (inside / MANIFEST).exists() or not (earlier / MANIFEST).exists():
        return inside
    written = json.loads((earlier / MANIFEST).read_text()).get("environment")
    if written != name:
        raise Unreadable(f"{earlier} holds the templates of {written}; choose --env {written}")
    return earlier


def _text(answer: Answer, *, lines: bool) -> Iterator[str]:
    if answer.before:
        return report.changed(answer.changes, answer.before, answer.estimate)
    return report.text(answer.estimate, lines=lines)


def _data(answers: list[Answer]) -> dict[str, Any]:
    prices = table()
    return {
        "prices": {"date": prices.date, "region": prices.region, "hours": prices.hours},
        "environments": [
            report.data(answer.estimate) | (report.change_data(answer.changes, answer.before) if answer.before else {})
            for answer in answers
        ],
    }


def _say(terminal: Terminal, texts: Iterator[Iterator[str]]) -> None:
    for number, lines in enumerate(texts):
        if number:
            terminal.say()
        for line in lines:
            terminal.say(line)
