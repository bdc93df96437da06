"""`scripts/tandem up` as a whole, in a copy of the checkout with a data directory of its own."""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts import up as up_verb
from scripts.places import ROOT
from scripts.twin.postgres import free_port
from tests.scripts.asking import ask
from tests.scripts.survivors import descendants, gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for survivors")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout") / "a shop"
    for folder in ("scripts", "services", "cfn"):
        shutil.copytree(ROOT / folder, root / folder)
    return root


@dataclass
class Run:
    process: "subprocess.Popen[str]"
    port: int
    said: str

    @property
    def control(self) -> int:
        found = re.search(r"Status +http://127\.0\.0\.1:(\d+)/status", self.said)
        assert found, self.said
        return int(found[1])

    def hear(self, pattern: str) -> str:
        """What it says from here until that has been said."""
        heard = ""
        assert self.process.stdout is not None
        while not re.search(pattern, heard):
            line = self.process.stdout.readline()
            assert line, f"it ended:\n{heard}"
            heard += line
        return heard

    def get(self, path: str) -> tuple[int, bytes]:
        return ask(self.port, path)


def command(checkout: Path, *options: str) -> dict[str, Any]:
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {
        "args": [sys.executable, "-m", "scripts", "up", *options],
        "cwd": checkout,
        "env": environment,
        "text": True,
    }


@pytest.fixture
def up(checkout: Path) -> Iterator[Callable[..., Run]]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> Run:
        port = free_port()
        process = subprocess.Popen(
            **command(checkout, "--port", str(port), "--free-ports", *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        said = ""
        assert process.stdout is not None
        while "Ctrl-C stops everything" not in said:
            line = process.stdout.readline()
            assert line, f"it ended while it was starting:\n{said}"
            said += line
        return Run(process, port, said)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_shop_answers_recovers_from_a_dead_service_and_leaves_nothing_behind(up: Callable[..., Run]) -> None:
    shop = up()
    assert "\x1b" not in shop.said, "plain lines when nobody looks"
    for step in ("PostgreSQL", "migrations", "demo data", "product", "order", "frontend", "load-balancer"):
        assert f"  ok  {step}" in shop.said
    assert f"http://127.0.0.1:{shop.port}/products/docs" in shop.said
    assert f"http://127.0.0.1:{shop.port}/_traces " in shop.said
    for path in ("/healthz", "/products/healthz", "/orders/healthz", "/products/readyz", "/orders/readyz"):
        assert shop.get(path)[0] == 200, path
    status, body = shop.get("/products?limit=2")
    assert (status, len(json.loads(body)["items"])) == (200, 2)

    below = descendants(shop.process.pid)
    (product,) = [pid for pid in below if b"services.product.main:create" in arguments_of(pid)]
    os.kill(product, signal.SIGKILL)
    seen: set[int] = set()

    def look() -> int:
        seen.add(status := shop.get("/products")[0])
        return status

    assert eventually(lambda: look() != 200, within=5)
    assert eventually(lambda: look() == 200, within=20)
    assert seen <= {200, 502, 503, 504}, "what a load balancer answers in place of a dead target"
    failures = json.loads(shop.get("/_traces?errors=1")[1])["traces"]
    assert {one["status"] for one in failures if one["name"] == "/products"} == seen - {200}
    status, body = ask(shop.control, "/status")
    now = json.loads(body)
    assert (status, now["weights"]["product"]) == (200, {"fargate": 100, "lambda": 0})
    assert now["answers"]["product"]["load-balancer"]["5xx"] >= 1
    assert [rule["priority"] for rule in now["rules"]] == [10, 20, 1000, "default"]

    told = shop.hear(r"no  lambda\n.*\n|ok  lambda")
    assert told.count("The shop runs without its Lambda functions: ") == 1, told
    assert "requirements/runtime.txt" in told, "this copy of the checkout has no locks to install from"
    below = descendants(shop.process.pid)
    assert len(below) > 6
    shop.process.send_signal(signal.SIGTERM)
    said, _ = shop.process.communicate(timeout=20)
    assert shop.process.returncode == 0, said
    assert "product       | warning: ended (SIGKILL); starting again in 0.5 s" in told + said
    assert "Everything has stopped." in said
    assert "Traceback" not in said
    assert gone(below, within=1)


def test_nothing_is_left_when_it_is_killed_and_the_data_is_still_there(up: Callable[..., Run], checkout: Path) -> None:
    shop = up("--no-fallback", "--weights", "product=0/100")
    assert shop.get("/products")[0] == 504, "there is no Lambda service to reach"
    back = b'{"product": {"fargate": 1, "lambda": 0}}'
    assert ask(shop.control, "/weights", "PUT", back)[0] == 200
    assert shop.get("/products")[0] == 200
    below = descendants(shop.process.pid)
    again = subprocess.run(**command(checkout), capture_output=True, check=False)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == f"tandem: This checkout is running already (process {shop.process.pid}).\n"
    asked = subprocess.run(
        **command(checkout)
        | {"args": [sys.executable, "-m", "scripts", "psql", "-Atc", "SELECT count(*) FROM product"]},
        capture_output=True,
        check=False,
    )
    assert (asked.returncode, int(asked.stdout)) == (0, 40), asked.stderr
    shop.process.kill()
    shop.process.wait()
    assert gone(below, within=10)
    assert (checkout / ".local" / "secrets.json").exists()


def test_a_busy_port_is_one_sentence_that_names_it(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(**command(checkout, "--port", str(port)), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"tandem: Port {port} is in use by another program; choose another with --port.\n"


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        *(
            (text, "is not of the form")
            for text in ("product", "product=100", "product=a/b", "nobody=1/1", "order=1000/0")
        ),
        ("order=0/0", "would answer nothing"),
    ],
)
def test_weights_that_make_no_sense_are_refused_at_once(
    weights: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    up_verb.arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--weights", weights])
    said = capsys.readouterr().err
    assert repr(weights) in said
    assert why in said


def arguments_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def eventually(true: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return False
