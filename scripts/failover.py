"""Show which runtime answers for each service, hold it there, or move it by hand.

What the controller of the operations app does by itself, this does on your word, with the same code and the same tags
on the listener rules. A move by hand holds: the controller leaves the service alone until `release`, or as long as
--for says. `--env local` means the twin that `tandem up` runs.
"""

import argparse
import getpass
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cfn.environments import ENVIRONMENTS, LOCAL, Environment, environment
from cfn.values import BadValue
from scripts.places import ROOT
from scripts.terminal import Problem, Terminal

if TYPE_CHECKING:
    from scripts.switchboard import Placed

SUMMARY = "show, hold or move which runtime answers for a service"
TWIN = "http://127.0.0.1:8081"
ACTIONS = ("status", "hold", "release", "to-lambda", "to-fargate")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
COLUMNS = ("service", "answered by", "weights", "since", "reason", "hold", "containers", "functions")


def arguments(parser: argparse.ArgumentParser) -> None:
    known = ", ".join([*ENVIRONMENTS, LOCAL.name])
    parser.add_argument("action", choices=ACTIONS, help="status only looks; the others change tags and weights")
    parser.add_argument("--env", metavar="E", required=True, help=f"one of {known}")
    parser.add_argument("--service", metavar="S", action="append", default=[], help="can be repeated")
    parser.add_argument("--all", action="store_true", help="every service; a move has to say which, or this")
    parser.add_argument("--for", dest="duration", metavar="TIME", help="hold for 30m, 2h or 1d, not until release")
    parser.add_argument("--reason", default="", metavar="TEXT", help="for whoever looks next")
    parser.add_argument("--force", action="store_true", help="move also to where nobody can answer")
    parser.add_argument("--region", metavar="R", help="of AWS; the environment's without this")
    parser.add_argument("--endpoint", metavar="URL", help=f"of Elastic Load Balancing; {TWIN} when --env is local")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(options: argparse.Namespace) -> int:
    chosen = _environment(options.env)
    services = _services(chosen, options)
    now = datetime.now(UTC)
    until = now + duration(options.duration) if options.duration else None
    app = str(ROOT / "chalice_app")
    if app not in sys.path:  # the app's modules have the names that they have in Lambda, where they are packed alone
        sys.path.append(app)
    from scripts import switchboard  # noqa: PLC0415 - it imports them

    def perform() -> "list[Placed]":
        board = switchboard.Switchboard(_client(chosen, options), chosen, services)
        act: dict[str, Callable[[], None]] = {
            "status": lambda: None,
            "hold": lambda: board.hold(until, _reason(options)),
            "release": board.release,
            "to-lambda": lambda: board.move("lambda", now, until, _reason(options), force=options.force),
            "to-fargate": lambda: board.move("fargate", now, until, _reason(options), force=options.force),
        }
        act[options.action]()
        return board.look() if options.action != "status" else board.placed

    placed = switchboard.in_sentences(perform, chosen, options.endpoint or TWIN)
    _show(placed, as_json=options.json)
    return 0


def duration(text: str) -> timedelta:
    """`30m`, `2h` or `1d`. Raises Problem."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text)
    if match is None:
        raise Problem(f"--for takes a time such as 30m, 2h or 1d, not {text!r}.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _environment(name: str) -> Environment:
    try:
        return LOCAL if name == LOCAL.name else environment(name)
    except BadValue as error:
        raise Problem(str(error)) from None


def _services(chosen: Environment, options: argparse.Namespace) -> list[str]:
    known = [service.name for service in chosen.services]
    for name in options.service:
        if name not in known:
            raise Problem(f"There is no service {name!r}; there are {', '.join(known)}.")
    if options.action.startswith("to-") and not (options.service or options.all):
        raise Problem(f"Say what moves: --service {known[0]}, or --all.")
    if options.duration and options.action in {"status", "release"}:
        raise Problem(f"--for says how long to hold; {options.action} holds nothing.")
    return options.service or known


def _reason(options: argparse.Namespace) -> str:
    try:
        who = getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number that has no name
        who = "somebody"
    return f"by hand: {who}" + (f" - {options.reason}" if options.reason else "")


def _client(chosen: Environment, options: argparse.Namespace) -> Any:
    import boto3  # noqa: PLC0415 - half a second that --help need not pay
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})
    region = options.region or chosen.region
    if chosen is LOCAL:  # the twin asks for no credentials, and real ones are none of its business
        return boto3.client(
            "elbv2",
            region_name=region,
            endpoint_url=options.endpoint or TWIN,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - no secret, the client wants one
            config=config,
        )
    return boto3.client("elbv2", region_name=region, endpoint_url=options.endpoint, config=config)


def _show(placed: "list[Placed]", *, as_json: bool) -> None:
    terminal = Terminal()
    if as_json:
        terminal.say(json.dumps([one.data() for one in placed], indent=2))
        return
    rows = [COLUMNS, *(one.row() for one in placed)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        terminal.say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
