"""The real image at work: what is in it, how fast it starts, and a purchase through three containers."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from cfn.environments import SERVICES
from scripts import compose
from scripts.databases import OWNERS, service_url
from scripts.places import ROOT
from scripts.twin.postgres import Server
from tests.conftest import PASSWORDS, administer
from tests.images.containers import Image, Shop, shop
from tests.runtime.tandem import asked

pytestmark = pytest.mark.slow

HEALTHY_SECONDS = 2.0
TRIES = 3
TOOLS = ("cc", "gcc", "g++", "ld", "make", "rustc", "cargo", "pip", "pip3", "uv", "curl", "wget", "git")

FACTS = """
import importlib.util, json, os, pathlib, shutil, subprocess, sys
def unwritable(path):
    try:
        pathlib.Path(path, "x").touch()
    except OSError as error:
        return error.strerror
def modules(python):
    code = "import importlib.util as u; print(*filter(u.find_spec, ('pip', 'ensurepip', 'setuptools', 'wheel')))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.split()
caches = [*pathlib.Path("/app").rglob("*.pyc"), *pathlib.Path("/opt/tandem").rglob("*.pyc")]
sources = [*pathlib.Path("/app").rglob("*.py"), *pathlib.Path("/opt/tandem/lib").rglob("*.py")]
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "CapPrm"))],
    "root": unwritable("/app"),
    "tools": [name for name in json.loads(sys.argv[1]) if shutil.which(name)],
    "installers": [modules("python"), modules(os.path.realpath(sys.executable))],
    "flags": sorted({int.from_bytes(path.read_bytes()[4:8], "little") for path in caches}),
    "compiled": len(caches) / len(sources),
    "library": pathlib.Path(json.__cached__).exists(),
    "python": "%d.%d" % sys.version_info[:2],
    "beside": sorted(path.name for path in pathlib.Path(".").iterdir()),
}))
"""


def test_it_can_do_no_harm_and_holds_no_tools(image: Image) -> None:
    facts = json.loads(image.run("python", "-c", FACTS, json.dumps(TOOLS)).stdout)
    assert facts["ids"] == [10001, 10001]
    assert {int(bits, 16) for bits in facts["capabilities"]} == {0}
    assert facts["root"] == "Read-only file system"
    assert facts["tools"] == []
    assert facts["installers"] == [[], []]
    assert facts["beside"] == ["services"]
    assert facts["python"] == "3.13"


def test_every_module_is_compiled_and_never_compared_with_its_source(image: Image) -> None:
    facts = json.loads(image.run("python", "-c", FACTS, "[]").stdout)
    assert facts["flags"] == [1]  # unchecked-hash, PEP 552
    assert facts["compiled"] > 0.99
    assert facts["library"], "each start would compile the standard library again"


def test_without_a_command_it_is_the_product_service_and_says_what_it_lacks(image: Image) -> None:
    done = image.run(check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == "services.product.main:create: DATABASE_URL is missing"


@pytest.fixture(scope="module")
def admin_url(postgres: Server) -> Iterator[str]:
    """An empty database."""
    name = "tandem_images"
    administer(postgres.url, f"CREATE DATABASE {name}")
    yield postgres.url_for(name)
    administer(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def migrated(image: Image, admin_url: str) -> str:
    """By containers of the image, as each task begins on AWS. The address of the administrator."""
    for service in (service for service in SERVICES if service.database):
        settings = {"ADMIN_DATABASE_URL": admin_url, "DATABASE_PASSWORD": PASSWORDS[service.name]}
        options = [f"--env={key}={value}" for key, value in settings.items()]
        done = image.run(*service.migration, options=options)
        assert "0001" in done.stdout + done.stderr
    seeded = {"DATABASE_URL": service_url(admin_url, "product", PASSWORDS)}
    image.run(
        "python", "-m", "services.product.demo", options=[f"--env={key}={value}" for key, value in seeded.items()]
    )
    assert set(OWNERS) == {service.name for service in SERVICES if service.database}
    return admin_url


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, image: Image, migrated: str) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("images"), image, migrated, PASSWORDS) as found:
        yield found


@pytest.fixture(scope="module")
def starts(running: Shop) -> dict[str, list[float]]:
    """Seconds until each was healthy, as they would be if nobody else computed; one that was slow gets other tries."""
    seconds: dict[str, list[float]] = {}
    for service, container in running.containers.items():
        own = seconds[service] = []
        while not own or (min(own) > HEALTHY_SECONDS and len(own) < TRIES):
            container.remove()
            before, taken, after = contention(), container.start(), contention()
            own.append(taken / ((before + after) / 2))
    return seconds


def test_each_service_is_healthy_within_two_seconds(starts: dict[str, list[float]]) -> None:
    assert len(starts) == len(SERVICES)
    assert {service: own for service, own in starts.items() if min(own) > HEALTHY_SECONDS} == {}


def contention() -> float:
    """How many times longer than alone a program takes here at the moment: 1 when nobody else computes."""
    wall, computed = time.monotonic(), time.process_time()
    while time.process_time() - computed < 0.2:
        pass
    return max(1.0, (time.monotonic() - wall) / 0.2)


@pytest.mark.usefixtures("starts")
async def test_a_purchase_goes_through_three_containers_and_the_load_balancer(running: Shop) -> None:
    for path in ("/", "/products", "/orders"):  # the load balancer has seen each of them healthy
        await until_answered(running.url + path)
    page = await asked("GET", f"{running.url}/item/8", {})
    assert (page.status, page.runtime) == (200, "local")
    session = (await asked("POST", f"{running.url}/api/sessions", {})).json()
    headers = {"Authorization": f"Bearer {session['token']}", "Idempotency-Key": "smoke"}
    wanted = {"lines": [{"product_id": 8, "qty": 1}]}
    bought = await asked("POST", f"{running.url}/orders", headers, wanted)
    assert (bought.status, bought.json()["status"]) == (201, "confirmed")
    again = await asked("POST", f"{running.url}/orders", headers, wanted)
    assert again.json()["id"] == bought.json()["id"]
    for container in running.containers.values():
        assert container.check() == 0, container.logs()


@pytest.mark.usefixtures("starts")
def test_the_load_of_compose_finds_nothing_oversold_in_them(running: Shop, migrated: str) -> None:
    told = compose.of_database(running.keys)["load"] | {"DATABASE_URL": migrated}
    arguments = ["bench", "race", f"--url={running.url}", "--stock=3", "--buyers=10", "--times=1"]
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "scripts", *arguments],
        cwd=ROOT,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 rounds exact (3 of 10 confirmed" in done.stdout


@pytest.mark.usefixtures("starts")
def test_each_of_them_ends_in_order(running: Shop) -> None:
    """Last: nobody can use them afterwards."""
    assert {container.stop() for container in running.containers.values()} == {0}


async def until_answered(url: str) -> None:
    for _ in range(200):
        if (await asked("GET", url, {})).status not in {0, 502, 503, 504}:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def test_its_labels_say_what_it_was_made_of(image: Image) -> None:
    labels = image.config()["Labels"]
    assert labels["org.opencontainers.image.version"] == "smoke"
    assert labels["org.opencontainers.image.base.name"] == image.machine.base
    assert labels["org.opencontainers.image.title"] == "tandem"
