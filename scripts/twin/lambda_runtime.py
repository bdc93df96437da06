"""AWS Lambda for the twin, as a program and as a library.

The program serves AWS's Invoke API on the loopback, for boto3's Lambda client and the twin's load balancer:

    python -m scripts.twin.lambda_runtime --port 9100 --functions functions.json

    POST /2015-03-31/functions/NAME/invocations   X-Amz-Invocation-Type: RequestResponse (default) or Event
    GET  /sandboxes                               cold starts, times and deaths of each function
    GET  /healthz                                 200 from the moment it listens; zips may still be in the making

functions.json is {"functions": [{"name", "service", "handler", "zip", "environment", "timeout", "memory",
"concurrency", "dead_letters", "code"}]}, the members of `Function`; without "zip" that of the service is built for this
machine. Lines that the sandboxes write go to standard output as they are.

The library, for tests and benches:

    async with LambdaService([Function(name="product", service="product", handler=…, environment={…})]) as service:
        invocation = await service.invoke("product", event)      # Invocation(status, payload, function_error, cold, …)

    service.send(name, event)      asynchronous; `await service.settled()` waits until the queue is empty
    service.status()               what GET /sandboxes answers
    served(service, port=0)        the Invoke API as a context manager that gives its URL
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from scripts.terminal import Problem
from scripts.twin.functions.function import Function, Invocation
from scripts.twin.functions.invoke_api import application
from scripts.twin.functions.service import LambdaService

__all__ = ["Function", "Invocation", "LambdaService", "served"]


@contextlib.asynccontextmanager
async def served(service: LambdaService, port: int = 0) -> AsyncIterator[str]:
    """The Invoke API of a service that was started, on a free port unless one is given; gives the URL."""
    runner = web.AppRunner(application(service), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, taken = runner.addresses[0][:2]
        yield f"http://{host}:{taken}"
    finally:
        await runner.cleanup()


async def serve(functions: list[Function], port: int) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stop.set)
    async with LambdaService(functions, listen=_print) as service, served(service, port):
        await stop.wait()


def read(path: Path) -> list[Function]:
    """Raises Problem."""
    try:
        return [Function.read(members) for members in json.loads(path.read_text())["functions"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(f"{path} does not describe functions: {error}.") from None


def _print(name: str, line: str) -> None:  # the services' own lines say whose they are
    print(line if line.startswith("{") else f"{name}: {line}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.twin.lambda_runtime", description="AWS Lambda, here.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--functions", type=Path, required=True, metavar="FILE.json")
    options = parser.parse_args()
    try:
        asyncio.run(serve(read(options.functions), options.port))
    except Problem as problem:
        sys.exit(f"lambda: {problem}")


if __name__ == "__main__":
    main()
