"""The program that migrates before a service starts: what it lacks or cannot reach, it says in one sentence."""

import os
import subprocess
import sys

import pytest

PIECES = {
    "DATABASE_HOST": "127.0.0.1",
    "DATABASE_PORT": "1",
    "DATABASE_NAME": "shop",
    "DATABASE_CA": "/dev/null",
    "DATABASE_USER": "product_svc",
    "DATABASE_PASSWORD": "p",
    "ADMIN_DATABASE_USER": "boss",
    "ADMIN_DATABASE_PASSWORD": "x",
}


def migrate(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.chassis.migrate", "services.product.store:OWNER"],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("key", [key for key in PIECES if key != "DATABASE_USER"])
def test_a_missing_setting_is_named(key: str) -> None:
    done = migrate({name: value for name, value in PIECES.items() if name != key})
    assert (done.returncode, done.stderr) == (1, f"catalog was not migrated: {key} is missing\n")


def test_the_whole_address_of_an_administrator_is_enough_but_for_the_password_to_set() -> None:
    env = {"ADMIN_DATABASE_URL": "postgresql://boss:x@127.0.0.1:1/shop?sslmode=disable"}
    assert migrate(env).stderr == "catalog was not migrated: DATABASE_PASSWORD is missing\n"
    done = migrate({**env, "DATABASE_PASSWORD": "p"})
    assert (done.returncode, done.stderr) == (1, "catalog was not migrated: The database did not answer\n")


@pytest.mark.parametrize("authority", ["/dev/null", "/no/such/file.pem"])
def test_a_database_that_cannot_be_reached_is_one_sentence(authority: str) -> None:
    done = migrate({**PIECES, "DATABASE_CA": authority})
    assert (done.returncode, done.stderr) == (1, "catalog was not migrated: The database did not answer\n")
