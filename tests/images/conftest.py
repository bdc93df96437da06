"""The real image, built by the verb, once for every test of this folder."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from scripts.builds.images import local_name
from scripts.places import ROOT
from tests.images.containers import Image
from tests.images.machine import Machine, Unable, machine, release

TAG = "smoke"


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    try:
        found = machine()
    except Unable as reason:
        pytest.skip(str(reason))
    try:
        yield built(found)
    finally:
        release()


def built(machine: Machine) -> Image:
    command = [sys.executable, "-m", "scripts", "build", "images", "--tag", TAG, "--base", machine.base]
    done = subprocess.run(  # noqa: S603 - ours
        command, cwd=ROOT, env=machine.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr  # also when it is too big
    assert " MB above " in done.stdout
    return Image(machine, local_name(TAG))
