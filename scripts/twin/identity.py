"""As whom PostgreSQL runs. It refuses to run as root, so root must become somebody else without changing the machine.

Three ways, in this order: an ordinary user stays who they are; root maps itself to `nobody` inside a user namespace
of its own (files stay root's, and a private home stays private); where a seccomp filter forbids that, root drops to
`nobody`, who then owns the data.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Identity:
    name: str  # "self", "namespace" or "nobody"
    owner: int  # who owns the files, seen from outside

    def entering(self, death: signal.Signals) -> Callable[[], None]:
        """What a child does between fork and exec. The signal is sent to it when its parent dies (Linux)."""
        parent = os.getpid()
        change = {"self": stay, "namespace": enter_namespace, "nobody": drop_to_nobody}[self.name]

        def enter() -> None:
            change()
            die_with(parent, death)  # after the change of ids, which clears the setting

        return enter

    def works_with(self, program: str) -> bool:
        try:
            done = subprocess.run(
                [program, "--version"],
                preexec_fn=self.entering(signal.SIGKILL),
                capture_output=True,
                cwd="/",
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0


def choose(program: str) -> Identity:
    if os.geteuid() != 0:
        return Identity("self", os.geteuid())
    namespace = Identity("namespace", 0)
    if LIBC is not None and namespace.works_with(program):
        return namespace
    return Identity("nobody", NOBODY)


def give(path: Path, owner: int) -> None:
    """Make everything under a path the owner's; only root can, and only root needs to."""
    if os.geteuid() != 0 or not path.exists() or path.stat().st_uid == owner:
        return
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            os.lchown(Path(folder) / name, owner, owner)
        os.lchown(folder, owner, owner)  # the top comes last: it is what says that all below is done


def stay() -> None:
    """An ordinary user needs no change."""


def enter_namespace() -> None:
    owner, group = os.geteuid(), os.getegid()
    if LIBC is None or LIBC.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    write("/proc/self/uid_map", f"{NOBODY} {owner} 1")
    write("/proc/self/setgroups", "deny")
    write("/proc/self/gid_map", f"{NOBODY} {group} 1")


def drop_to_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def die_with(parent: int, death: signal.Signals) -> None:
    if LIBC is None:
        return  # the guard process does it alone
    LIBC.prctl(PR_SET_PDEATHSIG, int(death), 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)


def write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text.encode())
    os.close(descriptor)
