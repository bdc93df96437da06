"""One emulator of AWS for all tests of releases; each test has an account of its own in it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfn.environments import environment
from scripts.rehearsals import cloud
from scripts.rehearsals.cloud import Cloud
from scripts.terminal import Problem
from tests.scripts.releases import accounts
from tests.scripts.releases.accounts import Landing, landing


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    try:
        running = cloud.running(tmp_path_factory.mktemp("cloud"))
        with running as found:
            yield found
    except Problem as problem:
        if os.environ.get("CI") == "true":
            pytest.fail(str(problem))
        pytest.skip(f"there is no emulator: {problem}")


@pytest.fixture(scope="session")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return accounts.zips(tmp_path_factory.mktemp("zips"), environment("dev"))


@pytest.fixture
def where(emulated: Cloud, zips: Path) -> Landing:
    """An empty account."""
    return landing(emulated, zips)


@pytest.fixture(scope="module")
def deployed(emulated: Cloud, zips: Path) -> Landing:
    """An account with everything in it; tests leave it as it was."""
    found = landing(emulated, zips)
    accounts.everything(found, found.aws)
    return found
