"""What a cold start of a function costs: CPU time of a new process from its start to its first answer.

The zip is the one that is deployed, but for this interpreter and machine; the process has the environment of a sandbox.
CPU time, because the wall clock also says how busy the machine is. A busy or slow machine needs more of that, too: so
importing FastAPI and nothing else is measured between the starts. AWS's own runtime client is not in it.
"""

import argparse
import json
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfn.environments import SERVICES
from scripts.benches.options import positive
from scripts.builds.functions import Bundle, Target, build
from scripts.builds.inspection import LARGEST
from scripts.terminal import Problem, Terminal
from scripts.twin import keys
from scripts.twin.functions import code
from scripts.twin.functions.function import Function
from scripts.twin.functions.sandbox import environment

SUMMARY = "cold starts of the functions: CPU time, modules, size of the zip"
GOAL_MS = 450

# What the load balancer sends for the cheapest request there is: the app is built, no database is asked.
EVENT = {
    "requestContext": {
        "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/x/y"}
    },
    "httpMethod": "GET",
    "path": "/healthz",
    "multiValueQueryStringParameters": {},
    "multiValueHeaders": {"host": ["shop.example"], "user-agent": ["bench"]},
    "body": "",
    "isBase64Encoded": False,
}
FIRST_ANSWER = """
import importlib, json, sys, time
from types import SimpleNamespace
context = SimpleNamespace(aws_request_id="bench", get_remaining_time_in_millis=lambda: 28000)
module, _, name = sys.argv[1].rpartition(".")
began = time.process_time()
handler = getattr(importlib.import_module(module), name)
imported = time.process_time()
status = handler(json.loads(sys.argv[2]), context)["statusCode"]
print(json.dumps([status, (imported - began) * 1000, time.process_time() * 1000, len(sys.modules)]))
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One cold start: CPU milliseconds of the import alone and from the start of the process to the answer, and of a
    process beside it that imports FastAPI only."""

    import_ms: float
    answer_ms: float
    fastapi_ms: float
    modules: int


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--times", type=positive, default=10, metavar="N", help="starts (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    terminal = Terminal()
    python = code.runtime()
    terminal.say(
        f"median CPU time of {options.times} starts, {Target.here()}; goals: {GOAL_MS} ms, {LARGEST / 1e6:.0f} MB"
    )
    terminal.say(f"{'':<10}{'import':>10}{'answer':>11}{'of FastAPI':>12}{'modules':>9}{'zip':>11}")
    held = [_measured(service.name, python, options.times, terminal) for service in SERVICES]
    terminal.say(f"{sum(held)} of {len(held)} services are within the goals.")
    return 0 if all(held) else 1


def _measured(service: str, python: Path, times: int, terminal: Terminal) -> bool:
    function = configured(service)
    folder = code.unpacked(function)
    bundle = build(service, Target.here(), code.FOLDER / code.ZIPS)
    starts = [start(function, folder, python) for _ in range(times)]
    line, good = judge(service, starts, bundle)
    terminal.say(line)
    return good


def judge(service: str, starts: list[Start], bundle: Bundle) -> tuple[str, bool]:
    """A line of the table, and whether both goals are held."""
    import_ms = statistics.median(start.import_ms for start in starts)
    answer_ms = statistics.median(start.answer_ms for start in starts)
    fastapi_ms = statistics.median(start.fastapi_ms for start in starts)
    good = answer_ms <= GOAL_MS and bundle.size <= LARGEST
    times = f"{import_ms:>7.0f} ms{answer_ms:>8.0f} ms{answer_ms / fastapi_ms:>10.2f} x"
    figures = f"{times}{starts[0].modules:>9}{bundle.size / 1e6:>8.2f} MB"
    return f"{service:<10}{figures}{'' if good else '  too much'}", good


def configured(service: str) -> Function:
    """With every key that the service wants; nothing answers at the addresses."""
    settings = {
        "ENVIRONMENT": "local",
        "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:9/none",
        "DATABASE_POOL": "1",
        "UPSTREAM_URL": "http://127.0.0.1:9",
        "BACKGROUND": "false",
        **keys.new_keys().environment(),
    }
    handler = f"services.{service}.lambda_handler.handler"
    return Function(name=f"bench-{service}", service=service, handler=handler, environment=settings)


def start(function: Function, folder: Path, python: Path) -> Start:
    """Raises Problem when the first answer is not 200."""
    command = [str(python), "-c", FIRST_ANSWER, function.handler, json.dumps(EVENT)]
    surroundings = environment(function, folder, python, "127.0.0.1:9")
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"{function.handler} fails: {done.stderr.strip().splitlines()[-1]}")
    figures: list[Any] = json.loads(done.stdout.splitlines()[-1])
    if figures[0] != 200:
        raise Problem(f"{function.handler} answered {figures[0]}: {done.stdout.strip().splitlines()[0]}")
    command[2:] = ["import time, fastapi; print(time.process_time() * 1000)"]
    alone = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=True)
    return Start(figures[1], figures[2], float(alone.stdout), figures[3])
