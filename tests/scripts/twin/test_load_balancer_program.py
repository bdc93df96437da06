"""The load balancer as a program of its own: its doors, its file, and its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.places import ROOT
from scripts.twin.deployment.file import load, save
from scripts.twin.identity import die_with
from scripts.twin.load_balancer.__main__ import opened as account
from scripts.twin.postgres import free_port
from scripts.twin.programs import busy
from tests.scripts.asking import ask
from tests.scripts.twin.deployments import local
from tests.scripts.twin.segments import TRACE, datagram, segment


@contextmanager
def running(*options: str) -> Iterator["subprocess.Popen[bytes]"]:
    parent = os.getpid()
    process = subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-m", "scripts.twin.load_balancer", *options],
        cwd=ROOT,
        preexec_fn=lambda: die_with(parent, signal.SIGKILL),  # noqa: PLW1509 - no threads of ours hold a lock
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def opened(port: int) -> None:
    """Wait until somebody listens there."""
    deadline = time.monotonic() + 30
    while not busy(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_changed_weights_outlive_the_load_balancer_and_a_signal_ends_it_in_order(tmp_path: Path) -> None:
    file, (shop, origin, control) = tmp_path / "deployment.json", (free_port() for _ in range(3))
    save(local(), file)
    options = [f"--port={shop}", f"--origin-port={origin}", f"--control-port={control}", f"--deployment={file}"]
    options += [f"--traces-port={(traces := free_port())}", f"--logs={tmp_path}"]
    moved = {"product": {"fargate": 0, "lambda": 7}}
    with running(*options) as process:
        for port in (shop, origin, control):
            opened(port)
        assert ask(control, "/healthz")[0] == 200
        assert ask(shop, "/products")[0] == 503
        assert ask(origin, "/products") == (403, b"Come through the front door.")
        assert ask(control, "/weights", "PUT", json.dumps(moved).encode())[0] == 200
        process.kill()
    weights = [share.weight for share in load(file).rules[0].action.shares]
    assert weights == [0, 7]
    with running(*options) as process:
        for port in (shop, control):
            opened(port)
        now: Any = json.loads(ask(control, "/status")[1])
        assert now["weights"]["product"] == moved["product"]
        assert ask(shop, "/products")[0] == 504, "there is no Lambda service here"
        with socket.socket(type=socket.SOCK_DGRAM) as sending:
            sending.sendto(datagram(segment("order")), ("127.0.0.1", traces))
        for port in (shop, control):
            known = json.loads(ask(port, "/_traces")[1])["traces"]
            assert [(one["name"], one["status"]) for one in known if one["kind"] == "load-balancer"] == [
                ("/products", 504)
            ]
            assert TRACE in {one["id"] for one in known}
            assert ask(port, f"/_traces/{TRACE}")[0] == 200
        assert ask(origin, f"/_traces/{TRACE}")[0] == 403, "there it is a path like any other"
        process.terminate()
        assert process.wait(20) == 0


def test_without_a_file_it_runs_what_the_templates_say() -> None:
    shop = free_port()
    with running(f"--port={shop}"):
        opened(shop)
        assert ask(shop, "/products")[0] == 503
        assert ask(shop, "/", "TRACE")[0] == 405


def test_without_a_file_the_origin_secret_is_that_of_the_environment_or_nobodys() -> None:
    def secret(env: dict[str, str]) -> str:
        (value,) = account(None, env).deployment.front_headers.values()
        return value

    assert secret({"ORIGIN_SECRET": "shared"}) == "shared"
    assert secret({}) != secret({})
