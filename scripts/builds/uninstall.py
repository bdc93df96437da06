"""Takes pip out of the Python that runs this, with the copy that `ensurepip` carries: an image installs nothing.

Standard library only, and alone: the Dockerfile runs it in the base image.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

INSTALLERS = ("pip", "ensurepip", "setuptools", "wheel")


def remove(names: Iterable[str] = INSTALLERS, programs: Iterable[str] = tuple(os.get_exec_path())) -> None:
    """Also their metadata, which scanners report, and the programs called pip in these folders."""
    for name in names:
        found = importlib.util.find_spec(name)
        for place in (found and found.submodule_search_locations) or ():
            for path in (Path(place), *Path(place).parent.glob(f"{name}-*.*-info")):
                shutil.rmtree(path)
    for folder in programs:
        for program in Path(folder).glob("pip*"):
            program.unlink()


if __name__ == "__main__":
    remove()
