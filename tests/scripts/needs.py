"""What a test needs from the network once: without it, and without what an earlier run kept, the test is skipped."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from scripts.terminal import Problem

T = TypeVar("T")


def downloaded(make: Callable[[], T]) -> T:
    """What it makes; where packages cannot be had, the test is skipped on a laptop and fails where CI=true."""
    try:
        return make()
    except Problem as problem:
        if "could not be downloaded" not in str(problem) or os.environ.get("CI") == "true":
            raise
        pytest.skip(str(problem))
