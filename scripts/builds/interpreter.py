"""Makes the Python of an image what it should be: without pip, for an image installs nothing, and with bytecode.

The official slim images carry none of the standard library; on a root that is read-only every start would compile it
again (a third of a second). Standard library only, and alone: the Dockerfile runs this in the base image.
"""

import compileall
import importlib.util
import os
import re
import shutil
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from py_compile import PycInvalidationMode

INSTALLERS = ("pip", "ensurepip", "setuptools", "wheel")
NEVER_RUN = re.compile(r"/(?:site-packages|dist-packages|test|tests|idlelib|lib2to3|turtledemo|pydoc_data)/")


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


def compile_library(folder: str) -> None:
    compileall.compile_dir(folder, quiet=2, rx=NEVER_RUN, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    remove()
    compile_library(sysconfig.get_path("stdlib"))
