"""The commands of ours in docs/operations.md, run in the order of the page against one account of an emulator."""

import json
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from cfn.environments import environment
from scripts import deploy, destroy
from scripts.__main__ import main
from scripts.places import ROOT
from scripts.rehearsals.acts import QUICK
from scripts.rehearsals.cloud import Cloud
from tests.scripts.releases import accounts
from tests.scripts.releases.accounts import Landing, landing

TAGS = ("1.0.0", "1.1.0", "1.1.1")
ELSEWHERE = {
    "rehearse": "test_rehearse.py",
    "doctor": "tests/scripts/test_doctor.py",
}  # they take long, and ask no cloud
DEPLOYING = {"deploy", "destroy"}


def commands() -> list[tuple[list[str], bool]]:
    """Up to the alarms, of every block without a language: the words, and whether the command is said to stop."""
    page = (ROOT / "docs" / "operations.md").read_text().partition("\n## Alarms in Slack")[0]
    language, lines = None, []
    for line in map(str.strip, page.splitlines()):
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif language == "":
            lines.append(line)
    assert all(line.startswith("scripts/tandem ") for line in lines), lines
    return [(shlex.split(line, comments=True)[1:], line.endswith("# stops")) for line in lines]


class Shop(BaseHTTPRequestHandler):
    """Everything is well, in the version that was deployed last."""

    versions: dict[str, str] = {}  # noqa: RUF012 - of the one shop there is

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        names = {"/products/healthz": "product", "/orders/healthz": "order", "/api/healthz": "frontend"}
        body = json.dumps({"service": names.get(self.path), "version": self.versions.get(names.get(self.path, ""))})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())


@contextmanager
def shop() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def here(emulated: Cloud, zips: Path, monkeypatch: pytest.MonkeyPatch) -> Landing:
    """The account of the person at the terminal."""
    where = landing(emulated, zips, "prod")
    given = where.session.get_credentials()
    assert given is not None
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulated.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", given.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given.secret_key)
    monkeypatch.setattr(deploy, "Clock", lambda: QUICK)
    monkeypatch.setattr(destroy, "Clock", lambda: QUICK)
    return where


def own(where: Landing) -> list[str]:
    """What the page has one write into the environments."""
    site = where.environment.site
    assert site.domain
    assert site.certificate
    assert site.zone
    words = ["--domain", site.domain, "--certificate", site.certificate, "--zone", site.zone]
    return [*words, "--email", site.emails[0], "--repository", site.repository]


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """Zips as `build` makes them for AWS."""
    folder = accounts.zips(tmp_path, environment("prod"))
    for file in folder.rglob("*.json"):
        facts = {"platform": "AWS Lambda", "certificates": True, "python": f"{environment('prod').functions.python}.1"}
        file.write_text(json.dumps(json.loads(file.read_text()) | facts))
    return folder


def remember(words: list[str]) -> None:
    """What the shop should say it is after this."""
    given = dict(pairwise(words))
    if "--image-tag" in given and "--plan" not in given:
        services = [given["--service"]] if "--service" in given else ["product", "order", "frontend"]
        Shop.versions |= dict.fromkeys(services, given["--image-tag"])


def test_every_command_of_the_page_does_what_it_says(
    here: Landing, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pushed = False
    with shop() as url:
        for words, stops in commands():
            verb = words[0]
            if verb in ELSEWHERE:
                continue
            more = own(here) if verb in DEPLOYING else []
            if verb == "deploy":
                more += ["--url", url, "--artifacts", str(released)]
                remember(words)
            assert main([*words, *more]) == (1 if stops else 0), (words, capsys.readouterr())
            if stops and not pushed:
                for tag in TAGS:
                    here.push(here.aws, tag)
                pushed = True
        said = capsys.readouterr().out
    assert pushed
    assert "What survives them costs up to $" in said
    assert not any(here.live(here.aws).values())


def test_every_verb_that_touches_the_cloud_is_on_the_page() -> None:
    verbs = {words[0] for words, _ in commands()}
    assert verbs >= {"deploy", "destroy", "failover", "rehearse", "cost", "doctor", "synth"}
