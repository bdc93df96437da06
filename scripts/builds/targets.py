"""What a zip is built for: the minor version of Python, the processor, and whether it is AWS's system or this one."""

import functools
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts import bootstrap
from scripts.terminal import Problem

THIS = ".".join(map(str, sys.version_info[:2]))
LINUX = {"x86_64": "x86_64", "arm64": "aarch64"}  # how wheels call the processors that AWS offers
AMAZON_LINUX_2 = {"3.9", "3.10", "3.11"}  # glibc 2.26 below these runtimes, 2.34 below the newer ones


@dataclass(frozen=True, slots=True)
class Target:
    """`native` means this machine's system and not that of AWS Lambda."""

    python: str = "3.13"
    architecture: str = "arm64"
    native: bool = False

    @classmethod
    def here(cls) -> "Target":
        """This interpreter on this machine: what the twin runs."""
        return cls(THIS, _processor(), native=True)

    @property
    def runs_here(self) -> bool:
        """Whether this machine can import what is built."""
        return self.native or (sys.platform == "linux" and self.architecture == _processor())

    @property
    def levels(self) -> tuple[str, ...]:
        """The manylinux tags that fit, newest first. "Building Lambda functions with Python" has the systems."""
        known = ("manylinux_2_17", "manylinux2014")
        newest = () if self.python in AMAZON_LINUX_2 else ("manylinux_2_28",)
        return tuple(f"{level}_{LINUX[self.architecture]}" for level in (*newest, *known))

    def interpreter(self) -> Path:
        """One of that minor version, which really runs. Raises Problem."""
        return _interpreter(self.python)

    def __str__(self) -> str:
        return f"Python {self.python} on {self.architecture}" + " (this machine)" * self.native


@functools.cache
def _interpreter(version: str) -> Path:
    """Version managers put shims on the PATH that exist and fail, so every candidate has to prove itself."""
    if version == THIS:
        return Path(sys.executable)
    for folder in os.get_exec_path():
        candidate = Path(folder) / f"python{version}"
        if bootstrap.version_of(candidate) == version:
            return candidate
    raise Problem(
        f"Bytecode for Python {version} needs an interpreter of that version: there is no python{version} on the PATH"
        " that runs. Install one, or choose --python or --here."
    )


@functools.cache
def _processor() -> str:
    machine = platform.machine().lower()
    return {"aarch64": "arm64", "amd64": "x86_64"}.get(machine, machine)
