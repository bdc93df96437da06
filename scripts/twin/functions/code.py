"""What sandboxes run: the environment with AWS's runtime client, and the unpacked zips."""

import os
from hashlib import sha256
from pathlib import Path

from scripts import bootstrap
from scripts.builds import archive, functions
from scripts.builds.cache import forget_old, whole
from scripts.builds.targets import THIS, Target
from scripts.places import LOCAL
from scripts.terminal import Problem
from scripts.twin.functions.function import Function

FOLDER = LOCAL / "lambda"
ZIPS = f"zips-{THIS}"


def runtime(folder: Path = FOLDER) -> Path:
    """The interpreter of an environment that holds what AWS's runtime does, and nothing else. Raises Problem."""
    try:
        return bootstrap.environment("runtime", folder / f"runtime-{THIS}")
    except bootstrap.BootstrapError as error:
        raise Problem(f"The functions cannot run: {error}") from None


def unpacked(function: Function, folder: Path = FOLDER) -> Path:
    """The folder that the function runs from; its zip is built if none is given and what is there is old. Raises
    Problem."""
    if function.code is not None:
        return function.code
    path = function.zip or functions.build(function.service, Target.here(), folder / ZIPS).path
    if not path.exists():
        raise Problem(f"There is no {path}.")
    kind = function.service or function.name
    place = folder / "code" / f"{kind}-{sha256(path.read_bytes()).hexdigest()[:20]}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with bootstrap.alone(place.parent / f"{kind}.lock"):
        if not place.exists():
            with whole(place) as new:
                archive.unpack(path, new)
        os.utime(place)
        forget_old(place.parent, f"{kind}-{'[0-9a-f]' * 20}")
    return place
