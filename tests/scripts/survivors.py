"""Which processes there are, for tests that promise that none is left."""

import time
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    children = [other for other in processes() if status(other)[1] == str(pid)]
    return children + [below for child in children for below in descendants(child)]


def running(pid: int) -> bool:
    """A zombie has ended; init only has not collected it yet."""
    return status(pid)[0] not in {"X", "Z"}


def gone(pids: list[int], within: float) -> bool:
    deadline = time.monotonic() + within
    while any(map(running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(running, pids))


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def status(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]
