"""Folders that are there whole or not at all, named by a hash of what they are made of."""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

KEPT = 4  # of each kind; what was used longest ago goes


def digest(*parts: bytes) -> str:
    """Of the parts in this order, wherever one ends."""
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def digest_of(files: dict[str, Path]) -> str:
    """Of the names and what lies under them."""
    return digest(*(part for name in sorted(files) for part in (name.encode(), files[name].read_bytes())))


@contextlib.contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which becomes this one when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        yield new
        new.rename(folder)
    finally:
        remove(new)


def forget_old(folder: Path, pattern: str, kept: int = KEPT) -> None:
    """Keeps what was used last: who uses a folder touches it."""
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[kept:]:
        remove(path)


def remove(folder: Path) -> None:
    """Also what was made unwritable."""
    for path in [folder, *folder.rglob("*")] if folder.exists() else []:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)
