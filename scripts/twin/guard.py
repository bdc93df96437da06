"""A small process that outlives its parent just long enough to stop what the parent had started.

It holds the reading end of a pipe. The parent writes `+PID SIGNAL` and `-PID`; when the pipe ends, however the parent
ended, every process still listed gets its signal, and SIGKILL if it is still there some seconds later. It asks for
SIGTERM rather than SIGINT where it can: background jobs of a shell inherit "ignore SIGINT".
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 5.0


class Guard:
    """The parent's end of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C and a signal to the parent's group must not reach it
            cwd="/",
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self, pid: int, how: signal.Signals = signal.SIGTERM) -> None:
        self._tell(f"+{pid} {int(how)}\n")

    def forget(self, pid: int) -> None:
        self._tell(f"-{pid}\n")

    def close(self) -> None:
        """Ends the guard; whatever is still being watched is stopped by it."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # somebody killed the guard; on Linux the kernel still does its work
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watched: dict[int, int] = {}
    for line in sys.stdin.buffer:
        note(watched, line.decode())
    stop(watched)


def note(watched: dict[int, int], line: str) -> None:
    if line.startswith("+"):
        pid, how = line[1:].split()
        watched[int(pid)] = int(how)
    elif line.startswith("-"):
        watched.pop(int(line[1:]), None)


def stop(watched: dict[int, int]) -> None:
    for pid, how in watched.items():
        send(pid, how)
    deadline = time.monotonic() + PATIENCE
    while watched and time.monotonic() < deadline:
        time.sleep(0.02)
        watched = {pid: how for pid, how in watched.items() if alive(pid)}
    for pid in watched:
        send(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether it runs. One that ended can stay in the table until init finds the time to collect it."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return send(pid, 0)


def send(pid: int, how: int) -> bool:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
