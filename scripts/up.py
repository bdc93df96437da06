"""Run the whole platform here: PostgreSQL, migrations, demo data, the services, and the load balancer in front."""

import argparse
import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from scripts.databases import migrate_all, service_url
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem, Terminal
from scripts.twin import keys
from scripts.twin.lock import HeldElsewhereError, held
from scripts.twin.postgres import PostgresError, Server, running
from scripts.twin.processes import Line, Listen, Program, Supervisor
from scripts.twin.programs import load_balancer, placed, program
from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.chassis.migrations import MigrationError

SUMMARY = "run the whole platform on this machine"
COLOURS = {"product": "cyan", "order": "magenta", "frontend": "blue"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8080, help="where the shop answers (default: 8080)")
    parser.add_argument("--free-ports", action="store_true", help="services take any free ports, not their own")
    parser.add_argument("--no-seed", action="store_true", help="leave out the demo products")
    parser.add_argument("--logs", action="store_true", help="show everything the services log, not only warnings")


def run(options: argparse.Namespace) -> int:
    return asyncio.run(until_stopped(options))


async def until_stopped(options: argparse.Namespace) -> int:
    terminal = Terminal()
    work = asyncio.create_task(operate(options, terminal))
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the second one cancels the orderly end, too
        asyncio.get_running_loop().add_signal_handler(how, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        terminal.say(f"Everything has stopped. The data is kept in {LOCAL.relative_to(ROOT)}/.")
    except (PostgresError, MigrationError, DomainError) as error:
        raise Problem(str(error)) from None
    return 0


async def operate(options: argparse.Namespace, terminal: Terminal) -> None:
    began = time.monotonic()
    show = listener(terminal, everything=options.logs)
    with sole_run(), contextlib.ExitStack() as outlasting:  # the database leaves after those who use it
        services = placed(options.port, anywhere=options.free_ports)
        secrets = keys.load(LOCAL)
        async with supervisor(LOCAL / "logs", show) as children:
            balancer = load_balancer(options.port, services)
            await children.start(balancer)  # its imports run while the database starts
            server = database(terminal, outlasting)
            await migrated(terminal, server, secrets.passwords)
            programs = [program(service, options.port, server.url, secrets) for service in services]
            for each in programs:
                await children.start(each)
            if not options.no_seed:
                await seeded(terminal, server, secrets.passwords)
            with terminal.waiting("services"):
                await asyncio.gather(*(settled(terminal, children, each) for each in [*programs, balancer]))
            banner(terminal, options.port, secrets.admin, time.monotonic() - began)
            await asyncio.Event().wait()


# --- the steps ------------------------------------------------------------------------------------------------------


def database(terminal: Terminal, lifetime: contextlib.ExitStack) -> Server:
    with terminal.step("PostgreSQL") as step:
        server = lifetime.enter_context(running(LOCAL))
        step.label = f"PostgreSQL {server.version} ({server.origin})" if server.version else "PostgreSQL"
        step.detail = server.address
    return server


async def migrated(terminal: Terminal, server: Server, passwords: Mapping[str, str]) -> None:
    with terminal.step("migrations") as step:
        applied = await migrate_all(server.url, passwords)
        count = sum(len(names) for names in applied.values())
        step.detail = f"{count} applied" if count else "up to date"


async def seeded(terminal: Terminal, server: Server, passwords: Mapping[str, str]) -> None:
    from services.product.demo import seed  # noqa: PLC0415 - the services start while this is imported

    with terminal.step("demo data") as step:
        catalogue = Database(service_url(server.url, "product", passwords), size=1)
        try:
            added = await seed(catalogue)
        finally:
            await catalogue.close()
        step.detail = f"{added} products added" if added else "there already"


async def settled(terminal: Terminal, children: Supervisor, each: Program) -> None:
    began = time.monotonic()
    await children.ready(each)
    terminal.done(each.name, time.monotonic() - began, f"127.0.0.1:{each.port}")


@contextlib.asynccontextmanager
async def supervisor(logs: Path, show: Listen) -> AsyncIterator[Supervisor]:
    children = Supervisor(logs, show)
    try:
        yield children
    finally:
        await children.stop()


# --- what the person sees -------------------------------------------------------------------------------------------


def listener(terminal: Terminal, *, everything: bool) -> Listen:
    def show(line: Line) -> None:
        if everything or line.matters:
            name = terminal.paint(f"{line.source:<13} |", COLOURS.get(line.source, "dim"))
            level = terminal.paint(f"{line.level}: ", "yellow") if line.matters and line.level else ""
            terminal.say(f"{name} {level}{line.text}")

    return show


def banner(terminal: Terminal, port: int, admin_key: str, seconds: float) -> None:
    shop = f"http://127.0.0.1:{port}"
    rows = (
        ("Shop", shop),
        ("API docs", f"{shop}/products/docs  {shop}/orders/docs  {shop}/api/docs"),
        ("Admin key", admin_key),
        ("Database", "scripts/tandem psql"),
        ("Logs", f"{LOCAL.relative_to(ROOT)}/logs/"),
    )
    terminal.say(f"\n  Ready after {seconds:.1f} s.\n")
    for label, value in rows:
        terminal.say(f"  {terminal.paint(f'{label:<10}', 'bold')} {value}")
    terminal.say("\n  Ctrl-C stops everything; the data is kept (scripts/tandem reset forgets it).\n")


@contextlib.contextmanager
def sole_run() -> Iterator[None]:
    try:
        with held(LOCAL / "up.lock"):
            yield
    except HeldElsewhereError as holder:
        raise Problem(f"This checkout is running already (process {holder}).") from None
