"""Where images can be built and run: a Docker engine, or root with buildah, podman and namespaces of its own.

Without an engine the base is made here, of Debian 13, whose Python is that of the image. It is kept under `.local`, and
so are the layers: a second run builds what has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.builds.cache import whole
from scripts.builds.engines import Docker
from scripts.builds.images import BASE
from scripts.places import LOCAL

PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap")
PACKAGES = "python3,python3-pip,python3-venv,base-files,dash,coreutils,libc-bin,libgcc-s1,libstdc++6,ca-certificates"
# Unpacked and not set up, which is half of the time. Like the official slim image it has a `python` and a pip, and no
# bytecode of the standard library.
RECIPE = (
    *("mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES}"),
    *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
    '--extract-hook=ln -s python3 "$1/usr/bin/python"',
    '--extract-hook=cat "$1"/usr/share/ca-certificates/mozilla/* > "$1/etc/ssl/certs/ca-certificates.crt"',
    "trixie",
)
MARK = hashlib.sha256(" ".join(RECIPE).encode()).hexdigest()[:12]
FOLDER = LOCAL / "build" / "smoke"
# A nested machine may not raise limits, and runs its cgroups in a mode that of the runtimes runc alone takes.
PODMAN = ("podman", "--runtime=runc", "--cgroup-manager=cgroupfs")
# Whatever ends this run, no container of it is there after a quarter of an hour.
LIMITS = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096", "--no-healthcheck", "--timeout=900")


class Unable(Exception):
    """Why no image can be built and run here, as one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`command` is what runs containers, `limits` what it wants to hear of each, `base` what images are built upon."""

    command: Sequence[str]
    base: str
    limits: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(  # noqa: S603 - an engine, by its name
            [*self.command, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{arguments[0]}: {done.stderr[-2000:]}"
        return done


def machine() -> Machine:
    """Raises Unable."""
    if sys.platform != "linux":
        raise Unable("containers on the network of the machine itself need Linux")
    found = Machine(command=["docker"], base=BASE) if Docker().answers() else without_engine()
    if found.run("image", "inspect", found.base, check=False).returncode != 0:
        obtain(found)
    return found


def without_engine() -> Machine:
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if os.geteuid() != 0 or missing:
        lacking = ", ".join(missing) or "root"
        raise Unable(
            f"images are built and run by a Docker engine, or by root with {', '.join(PROGRAMS)}: no {lacking}"
        )
    if subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False).returncode:  # noqa: S607
        raise Unable("images run in namespaces, which this machine does not allow")
    return Machine(command=PODMAN, base=f"localhost/tandem-base:{MARK}", limits=LIMITS, environment=storage())


def obtain(machine: Machine) -> None:
    """Have the base. Raises Unable."""
    if machine.command is PODMAN:
        machine.run("import", "--quiet", str(debian()), machine.base)
    elif machine.run("pull", "--quiet", machine.base, check=False).returncode != 0:
        raise Unable(f"{machine.base} could not be pulled")


def storage() -> dict[str, str]:
    """Away from the images of the machine, in overlays: without them each container would be a copy."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / "storage.conf"
    file.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{FOLDER}/root"\nrunroot = "{FOLDER}/run"\n')
    return {**os.environ, "CONTAINERS_STORAGE_CONF": str(file)}


def release() -> None:
    """Unmount what the storage has left mounted: as long as it is, nobody can remove `.local`."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([place for place in mounted if Path(place).is_relative_to(FOLDER)]):
        subprocess.run(["umount", "--lazy", place], check=False)  # noqa: S603, S607 - below our own folder


def debian() -> Path:
    """The tar of a Debian with a Python, the first time from its archive. Raises Unable."""
    folder = FOLDER / f"base-{MARK}"
    if not folder.exists():
        with whole(folder) as new:
            made = subprocess.run([*RECIPE, str(new / "base.tar")], capture_output=True, text=True, check=False)  # noqa: S603
            if made.returncode != 0:
                raise Unable(f"Debian's archive gave no base: {made.stderr.strip()[-200:]}")
    return folder / "base.tar"
