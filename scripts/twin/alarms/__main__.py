"""`python -m scripts.twin.alarms`: the alarms of the templates, and the operations app that they wake, from its zip.

Time runs faster here than on AWS (--hurry): a container that dies is an alarm after seconds.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from scripts.builds import ops
from scripts.builds.targets import Target
from scripts.terminal import Problem
from scripts.twin.alarms.app import HOOK, Slack, application
from scripts.twin.alarms.database import counter
from scripts.twin.alarms.desk import Desk, Places
from scripts.twin.alarms.reading import Woken, alarms, functions
from scripts.twin.deployment.local import local_world
from scripts.twin.functions.function import Function
from scripts.twin.functions.service import LambdaService

HURRY = 30.0
"""A minute of CloudWatch, of the schedules, and of the app's patience lasts two seconds."""

IN_MINUTES = ("HEALTHY_MINUTES", "HOLD_MINUTES")
LEFT_OUT = ("SLACK_SECRET", "TABLE")


def main(arguments: Sequence[str] | None = None) -> None:
    try:
        asyncio.run(run(parsed(arguments)))
    except Problem as problem:
        sys.exit(f"alarms: {problem}")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.twin.alarms")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control", required=True, metavar="URL", help="control plane of the load balancer")
    parser.add_argument("--functions", required=True, metavar="URL", help="Lambda service of the shop's functions")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="where the services' output is, with their metrics")
    parser.add_argument("--hurry", type=float, default=HURRY, help="how much faster time runs (default: %(default)g)")
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stop.set)
    bundle = ops.build(Target.here(), ops.OUT)
    world = local_world()
    watched = [*alarms(world)]
    listening = {name for alarm in watched for names in alarm.listeners.values() for name in names}
    woken = [one for one in functions(world) if one.every or one.name in listening]
    own = [function(one, bundle.path, options) for one in woken]
    async with LambdaService(own, listen=repeat) as service:
        places = Places(
            control=options.control, functions=options.functions, logs=options.logs, connections=counter(os.environ)
        )
        desk, slack = Desk(watched, woken, service, places, options.hurry), Slack()
        runner = web.AppRunner(application(desk, slack), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", options.port).start()
            async with desk.open():
                await stop.wait()
        finally:
            await runner.cleanup()


def repeat(name: str, line: str) -> None:
    """What a function wrote, for `up`, which shows what is more than information and keeps the rest."""
    try:
        members = json.loads(line)
        told = {**members, "level": members["level"].lower(), "service": name}
    except (ValueError, KeyError, TypeError, AttributeError):
        print(line if '"_aws"' in line else f"{name}: {line}", flush=True)
    else:
        print(json.dumps(told), flush=True)


def function(woken: Woken, bundle: Path, options: argparse.Namespace) -> Function:
    """With this machine's places in the place of AWS's, and minutes that pass faster."""
    own = f"http://127.0.0.1:{options.port}"
    settings = {key: value for key, value in woken.settings.items() if key not in LEFT_OUT}
    settings |= {key: str(float(settings[key]) / options.hurry) for key in IN_MINUTES if key in settings}
    settings |= {
        "SLACK_SECRET": json.dumps({"webhook": f"{own}{HOOK}"}),
        "AWS_ENDPOINT_URL_CLOUDWATCH": own,
        "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": options.control,
        "AWS_ENDPOINT_URL_LAMBDA": options.functions,
    }
    return Function(
        name=woken.name,
        handler=woken.handler,
        zip=bundle,
        environment=settings,
        timeout=woken.timeout,
        memory=woken.memory,
        concurrency=woken.concurrency,
    )


if __name__ == "__main__":
    main()
