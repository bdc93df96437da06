"""The whole deployment on this machine, through the code that deploys: from an empty account to a purchase, an update,
a deployment while traffic is moved, a failing update, growth from `dev` to what `prod` is, and the end.

The cloud is an emulator of AWS on loopback: no account, no Docker. What customers see is tried for real: the deployed
rules go to the twin's load balancer, and the deployed tasks run behind it on PostgreSQL. What the emulator cannot do is
on a list that is checked: another gap, or one less, fails the run.
"""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cfn.doctor.expectations import ENVIRONMENTS as EXPECTED
from cfn.environments import ENVIRONMENTS, Environment, environment
from cfn.values import BadValue
from scripts.builds import functions, ops
from scripts.builds.targets import Target
from scripts.places import LOCAL
from scripts.rehearsals import cloud, gaps
from scripts.rehearsals.acts import Stage
from scripts.rehearsals.deployed import Account
from scripts.rehearsals.shop import shop
from scripts.releases.asked import Asked
from scripts.releases.aws import connected, in_sentences
from scripts.terminal import Problem, Terminal
from scripts.twin.postgres import PostgresError

SUMMARY = "rehearse the deployment on this machine"
ZIPS = LOCAL / "rehearse" / "zips"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", metavar="E", default="dev", help=f"one of {', '.join(ENVIRONMENTS)} (default: dev)")
    parser.add_argument("--gaps", action="store_true", help="only list what cannot be rehearsed")


def run(options: argparse.Namespace) -> int:
    terminal = Terminal()
    if options.gaps:
        terminal.say("\n".join(gaps.lines()))
        return 0
    try:
        chosen = environment(options.env)
    except BadValue as error:
        raise Problem(str(error)) from None
    with in_sentences(), staged(chosen, terminal) as stage:
        for what, act in stage.acts:
            with terminal.step(what) as step:
                step.detail = act()
    types, fields = len(gaps.TYPES), len(gaps.FIELDS)
    terminal.say(f"Not rehearsed: {types} types and {fields} fields that the emulator lacks (--gaps lists them).")
    return 0


@contextlib.contextmanager
def staged(chosen: Environment, terminal: Terminal) -> Iterator[Stage]:
    """An empty account, and a place where its shop can open."""
    with terminal.step("zips") as step:
        step.detail = f"in {build(ZIPS).relative_to(LOCAL.parent)}"
    with tempfile.TemporaryDirectory(prefix="tandem-rehearsal-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        with terminal.step("an emulator of AWS") as step:
            running = stack.enter_context(cloud.running(folder))
            step.detail = running.endpoint
        session = running.account(1)
        settled = replace(chosen, site=cloud.settled(session, running))
        aws = connected(settled.region, endpoint=running.endpoint, session=session)
        account = Account(aws=aws, cloud=running, session=session, environment=settled)
        try:
            opened = stack.enter_context(shop(account, folder))
        except PostgresError as error:
            raise Problem(str(error)) from None
        asked = Asked(environment=settled, artifacts=ZIPS, here=True)
        quiet = Terminal(io.StringIO())
        yield Stage(account=account, shop=opened, asked=asked, expected=EXPECTED[chosen.name], quiet=quiet)


def build(folder: Path) -> Path:
    """For this machine; the emulator does not look into them."""
    for service in environment("dev").services:
        functions.build(service.name, Target.here(), folder / "lambda")
    ops.build(Target.here(), folder / "ops")
    return folder
