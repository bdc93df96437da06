"""The zips and the environment that AWS's runtime client runs in, for every test of this folder."""

import os

import pytest

from scripts.terminal import Problem
from scripts.twin.functions.code import runtime
from tests.runtime import shops


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
