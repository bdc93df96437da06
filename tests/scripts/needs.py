"""What a test needs from the network once: without it, and without what an earlier run kept, the test is skipped."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from scripts.builds import ops
from scripts.builds.functions import Bundle
from scripts.builds.targets import Target
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


def operations_bundle() -> Bundle:
    """The zip of the operations app, kept under .local: built again only when something in it has changed."""
    try:
        return ops.build(Target.here(), ops.OUT)
    except Problem as problem:
        if os.environ.get("CI") == "true" or not str(problem).startswith(("The tools that package", "packages could")):
            raise
        pytest.skip(f"the operations app cannot be packaged here: {problem}")
