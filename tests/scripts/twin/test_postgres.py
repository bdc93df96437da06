"""The embedded PostgreSQL: what a developer's data and machine can rely on."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pg8000.native
import pytest

from scripts.places import ROOT
from scripts.twin import identity, postgres
from scripts.twin.binaries import PostgresError
from scripts.twin.postgres import Server
from tests.scripts.survivors import descendants, gone, running


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    with postgres.running(root, durable=False, environment={}) as server:
        yield server


def ask(url: str, sql: str) -> object:
    parts = urlsplit(url)
    connection = pg8000.native.Connection(
        unquote(parts.username or ""),
        host=parts.hostname or "",
        port=parts.port or 0,
        password=unquote(parts.password or ""),
        database=parts.path.removeprefix("/"),
    )
    try:
        rows = connection.run(sql)
        return rows[0][0] if rows else None
    finally:
        connection.close()


def data_of(server: Server) -> Path:
    assert server.data is not None
    return server.data


def test_the_url_that_is_given_comes_before_a_server_of_our_own(tmp_path: Path) -> None:
    url = "postgresql://owner:secret@db.example:5433/shop"
    with postgres.running(tmp_path, environment={"DATABASE_URL": url}) as server:
        assert (server.url, server.origin, server.process) == (url, "DATABASE_URL", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["mysql://a@b/c", "postgresql:///shop", "shop"])
def test_a_url_of_another_form_is_refused_in_one_sentence(tmp_path: Path, url: str) -> None:
    with (
        pytest.raises(PostgresError, match="DATABASE_URL is not of the form"),
        postgres.running(tmp_path, environment={"DATABASE_URL": url}),
    ):
        pass


def test_data_survives_a_restart(root: Path) -> None:
    with postgres.running(root, durable=False, environment={}) as first:
        ask(first.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with postgres.running(root, durable=False, environment={}) as second:
        assert ask(second.url, "SELECT answer FROM kept") == 42
        assert second.process is not None
        assert second.process.pid != (first.process and first.process.pid)


def test_the_directory_is_named_by_major_version_and_the_password_is_private(server: Server) -> None:
    data = data_of(server)
    assert data.name == f"pg{server.version.partition('.')[0]}"
    assert stat.S_IMODE(data.with_suffix(".password").stat().st_mode) == 0o600
    assert data.with_suffix(".password").read_text() == urlsplit(server.url).password


def test_nobody_gets_in_without_the_password(server: Server) -> None:
    with pytest.raises(pg8000.native.DatabaseError, match="password authentication failed"):
        ask(server.url.replace(f":{urlsplit(server.url).password}@", ":wrong@"), "SELECT 1")
    assert ask(server.url, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'") == 0


def test_it_listens_on_the_loopback_interface_alone(server: Server) -> None:
    assert ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(server.url, "SHOW unix_socket_directories") == ""


def test_text_is_utf8_and_ordered_by_code_point_and_fsync_can_be_off(server: Server) -> None:
    assert ask(server.url, "SHOW server_encoding") == "UTF8"
    assert ask(server.url, "SELECT 'Z' < 'a'") is True
    assert ask(server.url, "SELECT upper('straße é')") in {"STRASSE É", "STRAßE É"}
    assert ask(server.url, "SHOW fsync") == "off"


@pytest.mark.usefixtures("server")
def test_a_second_user_of_the_same_data_is_told_who_the_first_is(root: Path) -> None:
    with pytest.raises(PostgresError, match=f"Process {os.getpid()} is using the database"):
        postgres.local(root)


def test_another_process_can_join_the_running_server(server: Server, root: Path) -> None:
    joined = postgres.attach(root)
    assert joined is not None
    assert joined.url == server.url
    assert joined.process is None


def test_there_is_nothing_to_join_once_it_has_stopped(root: Path) -> None:
    with postgres.running(root, durable=False, environment={}):
        pass
    assert postgres.attach(root) is None


def test_what_a_crash_left_in_postmaster_pid_is_not_taken_for_readiness(root: Path) -> None:
    with postgres.running(root, durable=False, environment={}) as server:
        left = (data_of(server) / "postmaster.pid").read_text()
        assert server.process is not None
        server.process.kill()
        server.process.wait()
    (data_of(server) / "postmaster.pid").write_text(left)
    assert left.splitlines()[7].strip() == "ready"
    with postgres.running(root, durable=False, environment={}) as again:
        assert ask(again.url, "SELECT 1") == 1


def test_a_missing_password_is_one_sentence_and_not_a_new_database(tmp_path: Path) -> None:
    (tmp_path / "pg18").mkdir()
    (tmp_path / "pg15").mkdir()
    with pytest.raises(PostgresError, match="scripts/tandem reset"):
        postgres.local(tmp_path)


def test_without_any_postgresql_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("scripts.twin.binaries.candidates", lambda: iter(()))
    with pytest.raises(PostgresError, match="Install PostgreSQL 15 or newer, or set DATABASE_URL"):
        postgres.local(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_user_namespaces_runs_it_as_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(identity, "choose", lambda _program: identity.Identity("nobody", identity.NOBODY))
    tmp_path.chmod(0o755)
    private = not all(folder.stat().st_mode & 0o001 for folder in tmp_path.parents)
    with postgres.running(tmp_path, durable=False, environment={}) as server:
        assert ask(server.url, "SELECT 1") == 1
        assert data_of(server).stat().st_uid == identity.NOBODY
        assert data_of(server).is_relative_to(tmp_path) != private
    if private:
        shutil.rmtree(data_of(server).parents[1])


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_parent_is_killed(root: Path, end: signal.Signals) -> None:
    program = f"""
        import pathlib, sys
        from scripts.twin import postgres
        server = postgres.local(pathlib.Path({str(root)!r}), durable=False)
        print(server.process.pid, flush=True)
        sys.stdin.read()
    """
    parent = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    assert running(server)
    below = descendants(parent.pid)
    assert server in below
    assert len(below) > 2, "the server, what it forked, and the guard"
    parent.send_signal(end)
    parent.communicate()
    assert gone(below, within=5)
