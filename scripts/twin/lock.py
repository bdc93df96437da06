"""A lock between processes that ends with its holder, however that ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class HeldElsewhereError(Exception):
    """Somebody has it; the message is their process id as far as it is known."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock for the block. Raises HeldElsewhereError at once instead of waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise HeldElsewhereError(file.read().strip() or "unknown") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
