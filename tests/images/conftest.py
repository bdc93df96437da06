"""The real image, built by the verb, once for every test of this folder."""

import subprocess
import sys

import pytest

from scripts.builds.images import local_name
from scripts.places import ROOT
from tests.images.containers import Image
from tests.images.machine import Unable, machine

TAG = "smoke"


@pytest.fixture(scope="session")
def image() -> Image:
    try:
        found = machine()
    except Unable as reason:
        pytest.skip(str(reason))
    command = [sys.executable, "-m", "scripts", "build", "images", "--tag", TAG, "--base", found.base]
    built = subprocess.run(  # noqa: S603 - ours
        command, cwd=ROOT, env=found.environment, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr  # also when it is too big
    assert " MB above " in built.stdout
    return Image(found, local_name(TAG))
