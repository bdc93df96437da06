"""Open psql on the database, as its administrator. Whatever follows is passed on: scripts/tandem psql -c '\\dt'."""

import argparse
import os
import signal
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from scripts.places import LOCAL
from scripts.terminal import Problem
from scripts.twin.binaries import PostgresError, find_binaries
from scripts.twin.postgres import available

SUMMARY = "open psql on the database"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(rest=[])


def run(options: argparse.Namespace) -> int:
    try:
        program = find_binaries().program("psql")
        if not Path(program).exists():
            raise Problem(f"this PostgreSQL comes without psql: {program}")
        with available(LOCAL) as server:
            # Ctrl-C is psql's: it cancels a query. A handler, unlike "ignore", is not inherited.
            signal.signal(signal.SIGINT, lambda *_: None)
            return subprocess.call([program, without_password(server.url), *options.rest], env=environment(server.url))
    except PostgresError as error:
        raise Problem(str(error)) from None


def without_password(url: str) -> str:
    """Everybody on the machine can read the arguments of a process."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@")))


def environment(url: str) -> dict[str, str]:
    password = unquote(urlsplit(url).password or "")
    return os.environ | {"PGPASSWORD": password, "PGOPTIONS": "-c search_path=catalog,ordering,public"}
