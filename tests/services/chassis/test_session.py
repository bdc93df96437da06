"""Connecting: every way in which a peer can be wrong ends in one of two exceptions."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from scripts.twin.postgres import Server, with_database, with_login
from services.chassis import session
from services.chassis.session import ConnectionLost, ServerError, open_session, tls


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on a free port that does `behave` to its one client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with closing(client):
                behave(client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_plain_text_is_only_for_those_who_ask_for_it() -> None:
    assert tls("disable", None) is False


def test_tls_checks_the_certificate_and_the_name() -> None:
    context = tls("verify-full", None)
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("mode", ["require", "prefer", "allow", "verify-ca", ""])
def test_modes_that_encrypt_without_knowing_to_whom_are_refused(mode: str) -> None:
    with pytest.raises(ValueError, match="verify-full"):
        tls(mode, None)


def test_without_sslmode_a_server_that_offers_no_tls_is_refused(postgres: Server) -> None:
    url = postgres.url.replace("?sslmode=disable", "")
    with pytest.raises(ConnectionLost):
        open_session(url)


def test_a_silent_server_is_given_up_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_TIMEOUT", 0.2)
    ended = threading.Event()

    def say_nothing(_: socket.socket) -> None:
        ended.wait(5)

    with peer(say_nothing) as port:
        with pytest.raises(ConnectionLost):
            open_session(f"postgresql://a:b@127.0.0.1:{port}/c?sslmode=disable")
        ended.set()


def test_a_peer_that_closes_during_tls_is_a_lost_connection() -> None:
    def promise_and_close(client: socket.socket) -> None:
        client.recv(8)
        client.sendall(b"S")

    with peer(promise_and_close) as port, pytest.raises(ConnectionLost):
        open_session(f"postgresql://a:b@127.0.0.1:{port}/c")


def test_a_name_that_does_not_resolve_is_a_lost_connection() -> None:
    with pytest.raises(ConnectionLost):
        open_session("postgresql://a:b@no-such-host.invalid/c?sslmode=disable")


def test_a_database_that_does_not_exist_is_the_servers_refusal(postgres: Server) -> None:
    with pytest.raises(ServerError) as caught:
        open_session(with_database(postgres.url, "nowhere"))
    assert caught.value.sqlstate == "3D000"


def test_an_unknown_role_is_the_servers_refusal(postgres: Server) -> None:
    with pytest.raises(ServerError) as caught:
        open_session(with_login(postgres.url, "nobody_here", "x"))
    assert caught.value.sqlstate == "28P01"


def test_the_servers_limits_are_set_on_every_session(postgres: Server) -> None:
    opened = open_session(postgres.url)
    try:
        rows = opened._connection.run(
            "SELECT name, setting FROM pg_settings WHERE name = ANY("
            "'{statement_timeout,lock_timeout,idle_in_transaction_session_timeout}')"
        )
        assert dict(rows) == session.SERVER_LIMITS
    finally:
        opened.socket.settimeout(None)
        opened.close()
