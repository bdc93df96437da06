"""`python -m scripts.twin.load_balancer`: the front door, the load balancer behind it, and the control plane."""

import argparse
import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.twin.control.app import control_plane
from scripts.twin.deployment.file import load, save
from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.balancer import LoadBalancer
from scripts.twin.load_balancer.front_door import FrontDoor
from scripts.twin.load_balancer.servers import config, serve
from scripts.twin.traces.app import Door, routes
from scripts.twin.traces.receiver import Inbox, receive
from scripts.twin.traces.store import Traces
from services.chassis import logs


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    logs.configure("load-balancer")
    account = opened(options.deployment)
    inbox = Inbox(Traces())
    balancer = LoadBalancer(account, port=options.port, functions=options.functions, ended=inbox.ended)
    for name, _, address in (value.partition("=") for value in options.target):
        balancer.register_service(name, address)
    asyncio.run(run(balancer, inbox, options))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.twin.load_balancer")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="of the front door, where customers come in")
    parser.add_argument("--origin-port", type=int, help="of the load balancer itself, which wants the origin secret")
    parser.add_argument("--control-port", type=int, help="of the control plane; always on loopback")
    parser.add_argument("--deployment", type=Path, help="file; what changes is written back. Without: the templates'")
    parser.add_argument("--target", action="append", default=[], metavar="SERVICE=HOST:PORT", help="repeat for more")
    parser.add_argument("--functions", metavar="URL", help="where the Lambda service listens")
    parser.add_argument("--traces-port", type=int, help="where the services send their traces, by UDP")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="of the programs, to show beside a trace")
    return parser.parse_args(arguments)


def opened(file: Path | None, env: Mapping[str, str] = os.environ) -> Account:
    """Without a file the origin secret is that of the environment, or one that nobody else knows."""
    if file is None:
        from scripts.twin.deployment.local import local_deployment  # noqa: PLC0415 - who has a file need not render

        return Account(local_deployment({"ORIGIN_SECRET": env.get("ORIGIN_SECRET") or secrets.token_hex(16)}))
    return Account(load(file), lambda deployment: save(deployment, file))


async def run(balancer: LoadBalancer, inbox: Inbox, options: argparse.Namespace) -> None:
    pages = routes(inbox, options.logs)
    front = FrontDoor(balancer, balancer.account.deployment.front_headers)
    doors = [config(Door(front, pages), host=options.host, port=options.port)]
    if options.origin_port:
        doors.append(config(balancer, host=options.host, port=options.origin_port))
    if options.control_port:
        doors.append(config(control_plane(balancer, pages), host="127.0.0.1", port=options.control_port))
    await balancer.open()
    receiving = await receive(inbox, options.traces_port) if options.traces_port else None
    try:
        await serve(doors)
    finally:
        if receiving is not None:
            receiving.close()
        await balancer.close()


if __name__ == "__main__":
    main()
