"""Bring an environment to what the templates say: plan, check, change sets, and a look from the outside.

Stopped at any point, it goes on where it was when it is run again. It refuses what cannot be undone, and moves no
traffic between containers and functions. --plan only looks, and writes what it sees for a pull request.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from cfn.environments import ENVIRONMENTS, Environment
from cfn.names import stack_name
from cfn.stacks import table
from scripts.places import LOCAL
from scripts.releases import report
from scripts.releases.asked import Asked
from scripts.releases.aws import Aws, connected, in_sentences
from scripts.releases.clock import Clock
from scripts.releases.preflight import problems
from scripts.releases.release import Plan, Release, planned
from scripts.synth import selected, tailoring
from scripts.terminal import Problem, Terminal

SUMMARY = "deploy an environment, or plan to"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", metavar="E", required=True, help=f"one of {', '.join(ENVIRONMENTS)}")
    parser.add_argument(
        "--service", metavar="S", action="append", default=[], help="only this one, and its functions; can be repeated"
    )
    parser.add_argument(
        "--image-tag", metavar="T", dest="version", help="of the images and zips; without it what runs stays"
    )
    parser.add_argument(
        "--plan", type=Path, metavar="FILE", help="change nothing; write what would change, as Markdown"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--replace-stateful",
        metavar="LOGICAL_ID",
        action="append",
        default=[],
        help="this resource may be replaced or deleted with what it holds; can be repeated",
    )
    parser.add_argument(
        "--while-failed-over", action="store_true", help="deploy although functions answer for a service"
    )
    parser.add_argument("--accept-findings", action="store_true", help="deploy images with critical findings")
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=LOCAL / "build",
        metavar="DIR",
        help="what `build` made (default: .local/build)",
    )
    parser.add_argument(
        "--url", metavar="URL", help="where the shop is tried afterwards (default: what the stacks say)"
    )
    parser.add_argument("--endpoint", metavar="URL", help="of AWS; for an emulator")
    tailoring(parser)
    parser.set_defaults(weights=None)


def run(options: argparse.Namespace) -> int:
    (environment,) = selected(options)
    with in_sentences():
        aws = connected(environment.region, endpoint=options.endpoint)
        if options.plan:
            return plan(aws, asked(environment, options), Terminal(), options.plan)
        return deploy(aws, asked(environment, options), Terminal(), Clock(), sure=options.yes)


def asked(environment: Environment, options: argparse.Namespace) -> Asked:
    known = [service.name for service in environment.services]
    for name in options.service:
        if name not in known:
            raise Problem(f"There is no service {name!r}; there are {', '.join(known)}.")
    return Asked(
        environment=environment,
        services=tuple(dict.fromkeys(options.service)),
        tag=options.version,
        allowed=frozenset(options.replace_stateful),
        while_failed_over=options.while_failed_over,
        accept_findings=options.accept_findings,
        url=options.url,
        artifacts=options.artifacts,
    )


def plan(aws: Aws, asked: Asked, terminal: Terminal, file: Path) -> int:
    found = looked(aws, asked, terminal)
    wrong = refusals(found)
    file.write_text(report.markdown(found, wrong))
    terminal.say(f"The plan is in {file}.")
    for sentence in wrong:
        terminal.say(terminal.paint(sentence, "red"))
    return 1 if wrong else 0


def deploy(aws: Aws, asked: Asked, terminal: Terminal, clock: Clock, *, sure: bool) -> int:
    found = looked(aws, asked, terminal)
    for line in report.lines(found):
        terminal.say(f"      {line}")
    refuse(refusals(found))
    if not sure and any(not one.nothing for one in found.differences):
        confirm(f"Deploy this to {asked.environment.name}?", ("y", "yes"), "--yes")
    done = Release(aws=aws, plan=found, terminal=terminal, clock=clock).carry_out()
    terminal.say("Deployed." if done else "Nothing had to be done.")
    for line in report.outputs(planned(aws, asked, names(asked.environment))):
        terminal.say(f"  {line}")
    return 0


def looked(aws: Aws, asked: Asked, terminal: Terminal) -> Plan:
    with terminal.step("what is deployed") as step:
        found = planned(aws, asked, names(asked.environment))
        step.detail = f"{sum(one is not None for one in found.live.values())} of {len(found.live)} stacks"
    return found


def names(environment: Environment) -> list[str]:
    return [stack_name(environment, row.name) for row in table(environment)]


def refusals(found: Plan) -> list[str]:
    return [*problems(found.asked.environment, found.stacks), *found.refusals]


def refuse(wrong: Iterable[str]) -> None:
    """Raises Problem with all of them."""
    sentences = list(wrong)
    if sentences:
        raise Problem("\n        ".join(["nothing was deployed:", *sentences] if len(sentences) > 1 else sentences))


def confirm(question: str, answers: Iterable[str], option: str, ask: Callable[[str], str] = input) -> None:
    """Raises Problem unless one of the answers is given."""
    if not sys.stdin.isatty():
        raise Problem(f"nobody is there to ask; say {option} to go on.")
    if ask(f"  {question} ").strip() not in set(answers):
        raise Problem("nothing was changed.")
