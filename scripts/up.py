"""Run the whole platform here: PostgreSQL, migrations, demo data, the services, and the load balancer in front."""

import argparse
import asyncio
import contextlib
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from cfn.environments import SERVICES
from scripts.databases import migrate_all, service_url
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem, Terminal
from scripts.twin import keys
from scripts.twin.deployment.file import save
from scripts.twin.deployment.limits import Refused
from scripts.twin.deployment.local import Split, local_deployment
from scripts.twin.deployment.values import Deployment
from scripts.twin.fallback import LOWEST, finished, prepared
from scripts.twin.keys import Keys
from scripts.twin.lock import HeldElsewhereError, held
from scripts.twin.postgres import PostgresError, Server, running
from scripts.twin.processes import METRICS, Line, Listen, Program, Supervisor
from scripts.twin.programs import Ports, lambda_service, load_balancer, operations, placed, python, task, vacant
from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.chassis.migrations import MigrationError

SUMMARY = "run the whole platform on this machine"
COLOURS = {"product": "cyan", "order": "magenta", "frontend": "blue"}
WEIGHTS = re.compile(r"(?P<service>[a-z]+)=(?P<fargate>\d{1,3})/(?P<fallback>\d{1,3})")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8080, help="where the shop answers (default: 8080)")
    parser.add_argument(
        "--weights",
        action="append",
        type=weights,
        default=[],
        metavar="SERVICE=F/L",
        help="shares of containers and functions, such as product=0/100; may be repeated",
    )
    parser.add_argument("--no-fallback", action="store_true", help="leave out the Lambda functions")
    parser.add_argument("--free-ports", action="store_true", help="services take any free ports, not their own")
    parser.add_argument("--no-seed", action="store_true", help="leave out the demo products")
    parser.add_argument("--logs", action="store_true", help="show everything the services log, not only warnings")


def weights(text: str) -> tuple[str, Split]:
    """`product=0/100`."""
    match = WEIGHTS.fullmatch(text)
    if not match or match["service"] not in {service.name for service in SERVICES}:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form product=0/100")
    split = Split(int(match["fargate"]), int(match["fallback"]))
    if not split.fargate + split.fallback:
        raise argparse.ArgumentTypeError(f"with {text!r} the service would answer nothing")
    return match["service"], split


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
        port, secrets = vacant(options.port), keys.load(LOCAL)
        deployment = described(terminal, options, secrets)
        ports = placed(deployment, port, anywhere=options.free_ports)
        async with supervisor(LOCAL / "logs", show) as children:
            save(deployment, LOCAL / "deployment.json")
            balancer = load_balancer(ports, LOCAL / "deployment.json")
            await children.start(balancer)  # its imports run while the database starts
            server = database(terminal, outlasting)
            await migrated(terminal, server, secrets.passwords)
            tasks = [task(deployment, service, ports, server.url, secrets) for service in ports.services]
            for each in tasks:
                await children.start(each)
            if deployment.task("product").settings.values["SEED_DEMO"] == "true":
                await seeded(terminal, server, secrets.passwords)
            functions = lambda_service(deployment, ports, server.url, secrets, LOCAL / "functions.json")
            awaited = [settled(terminal, children, each) for each in [*tasks, balancer]]
            if urgent := needs_functions(deployment) and not options.no_fallback:
                awaited.append(fallback(terminal, children, functions, urgent=True))
            with terminal.waiting("services"):
                *_, serving = await asyncio.gather(*awaited)
            banner(terminal, ports, secrets.admin, time.monotonic() - began)
            if not urgent and not options.no_fallback:
                serving = await fallback(terminal, children, functions, urgent=False)
            if serving:
                await watched(terminal, children, operations(ports, server.url, LOCAL / "logs"), ports.slack_url)
            await asyncio.Event().wait()


# --- the steps ------------------------------------------------------------------------------------------------------


def described(terminal: Terminal, options: argparse.Namespace, secrets: Keys) -> Deployment:
    """What the templates of the environment `local` say, with the weights that the options ask for."""
    with terminal.step("templates") as step:
        try:
            deployment = local_deployment(
                secrets.environment(), weights=dict(options.weights), seed_demo=not options.no_seed
            )
        except Refused as refused:
            raise Problem(f"The templates cannot be deployed: {refused}") from None
        step.detail = f"{len(deployment.rules)} rules, {len(deployment.groups)} target groups"
    return deployment


def needs_functions(deployment: Deployment) -> bool:
    """Whether some rule sends requests to a function from the beginning."""
    functions = {group.arn for group in deployment.groups if group.kind == "lambda"}
    return any(share.weight and share.group in functions for rule in deployment.rules for share in rule.action.shares)


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


async def settled(terminal: Terminal, children: Supervisor, each: Program, began: float | None = None) -> bool:
    """False: it is no Lambda service."""
    began = began or time.monotonic()
    await children.ready(each)
    terminal.done(each.name, time.monotonic() - began, f"127.0.0.1:{each.port}")
    return False


async def fallback(terminal: Terminal, children: Supervisor, functions: Program, *, urgent: bool) -> bool:
    """Prepare the functions and start the Lambda service. The shop does without where that cannot be done; whether it
    has been is the answer."""
    began = time.monotonic()
    try:
        await prepared(LOCAL / "functions.json", LOCAL / "logs" / "fallback.log", urgent=urgent)
        await children.start(functions)
        await settled(terminal, children, functions, began)
    except Problem as problem:
        terminal.failed("lambda")
        terminal.say(f"      The shop runs without its Lambda functions: {problem}")
        return False
    return True


async def watched(terminal: Terminal, children: Supervisor, program: Program, slack_url: str) -> None:
    """Start the alarms and the operations app behind them. The shop does without where that cannot be done."""
    began = time.monotonic()
    try:
        await finished(python("scripts", "build", "ops", "--here"), LOCAL / "logs" / "build-ops.log", nice=LOWEST)
        await children.start(program)
        await children.ready(program)
    except Problem as problem:
        terminal.failed(program.name)
        terminal.say(f"      The shop runs without its operations app: {problem}")
        return
    terminal.done(program.name, time.monotonic() - began, f"{slack_url} shows what it posts")


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
        if line.matters or (everything and line.level != METRICS):
            name = terminal.paint(f"{line.source:<13} |", COLOURS.get(line.source, "dim"))
            level = terminal.paint(f"{line.level}: ", "yellow") if line.matters and line.level else ""
            terminal.say(f"{name} {level}{line.text}")

    return show


def banner(terminal: Terminal, ports: Ports, admin_key: str, seconds: float) -> None:
    shop = f"http://127.0.0.1:{ports.shop}"
    rows = (
        ("Shop", shop),
        ("API docs", f"{shop}/products/docs  {shop}/orders/docs  {shop}/api/docs"),
        ("Status", f"{ports.status_url}  rules, health, weights, who answered"),
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
