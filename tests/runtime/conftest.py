"""The zips and the environment that AWS's runtime client runs in, for every test of this folder."""

import os
from collections.abc import Iterator

import pytest

from scripts.builds.functions import Bundle
from scripts.terminal import Problem
from scripts.twin.functions.code import runtime
from tests.conftest import PASSWORDS
from tests.runtime import shops
from tests.runtime.tandem import Tandem, tandem
from tests.scripts.needs import operations_bundle


@pytest.fixture(scope="session")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A zip for each service, built as for AWS."""
    try:
        runtime()
        return shops.zips(tmp_path_factory.mktemp("zips"))
    except Problem as problem:
        if os.environ.get("CI") == "true":
            pytest.fail(str(problem))
        pytest.skip(f"there are no functions to run: {problem}")


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory,
    database_urls: dict[str, str],
    zips: dict[str, str],  # noqa: ARG001 - there have to be some
) -> Iterator[Tandem]:
    with tandem(tmp_path_factory.mktemp("tandem"), database_urls["admin"], PASSWORDS) as running:
        yield running


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The operations app, built here, so that its program does not have to while somebody waits for it."""
    return operations_bundle()
