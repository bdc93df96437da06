"""The files that pages load, under names that hold a hash of their content: they can be kept for ever.

They are read once, at the start, and compressed once; there are few and they are small.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PUBLIC = re.compile(r"([a-z-]+)\.[0-9a-f]{10}(\.[a-z]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    name: str  # in the folder
    public: str  # in the address: the hash stands before the suffix
    media_type: str
    body: bytes
    compressed: bytes


class Assets:
    def __init__(self, folder: Path) -> None:
        found = [_read(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES]
        self._assets: Mapping[str, Asset] = {asset.name: asset for asset in found}

    def url(self, name: str) -> str:
        """Where a file of the folder is found. Raises KeyError."""
        return f"/static/{self._assets[name].public}"

    def find(self, public: str) -> Asset | None:
        """The file of that name whatever the hash: while a new version is rolled out, old pages ask new processes."""
        match = _PUBLIC.fullmatch(public)
        return self._assets.get(match[1] + match[2]) if match else None


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:10]
    public = f"{path.stem}.{digest}{path.suffix}"
    return Asset(path.name, public, _TYPES[path.suffix], body, gzip.compress(body, 9, mtime=0))
