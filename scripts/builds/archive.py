"""Zips that are the same bytes whenever and by whomever they are made: order, times and permissions are fixed."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows
READABLE = 0o100644 << 16  # Lambda runs the code as somebody else
UNIX = 3


def write(path: Path, files: Mapping[str, bytes | Path], *, append: bool = False) -> None:
    with zipfile.ZipFile(path, "a" if append else "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr, entry.create_system = READABLE, UNIX
            content = files[name]
            content = content if isinstance(content, bytes) else content.read_bytes()
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)  # the archive's own level does not reach entries


def listing(path: Path) -> list[tuple[str, int, int]]:
    """Name, size and checksum of everything in it."""
    with zipfile.ZipFile(path) as archive:
        return [(entry.filename, entry.file_size, entry.CRC) for entry in archive.infolist()]


def unpack(path: Path, folder: Path) -> None:
    """As Lambda does: nobody may write there."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    for place in folder.rglob("*"):
        place.chmod(0o555 if place.is_dir() else 0o444)
    folder.chmod(0o555)


def below(folder: Path) -> dict[str, Path]:
    """Every file below it, by its name in an archive."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
