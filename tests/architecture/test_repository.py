"""What a committed file may not contain: anybody's machine, and anybody's package index."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts.places import ROOT

THIS = Path(__file__).name
FORBIDDEN = {
    "a host of a package registry": r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|registry\.yarnpkg|proxy\.golang",
    "an index or a folder of packages": r"--(?:extra-)?index-url|--find-links|--trusted-host",
    "a file URL": r"\bfile:/",
    "a home directory": r"(?:^|[\s\"'=:(])/(?:home|Users)/[a-z]|(?:^|[\s\"'=:(])/root/",
}


def tracked_files() -> list[Path]:
    """What git has or would take, so that a file is looked at before it is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def offences(text: str) -> list[str]:
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text, re.MULTILINE)]


def test_no_file_names_a_package_index_or_a_place_on_somebodys_machine() -> None:
    found = {}
    for path in tracked_files():
        if path.name == THIS or not path.is_file():
            continue
        named = offences(path.read_bytes().decode(errors="replace"))
        if named:
            found[str(path.relative_to(ROOT))] = named
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "https://pypi.org/simple",
        "--extra-index-url x",
        "--find-links wheels",
        "x @ file:///wheels/x.whl",
        'path = "/home/ann/shop"',
        "/Users/ann/shop",
        "see /root/x",
    ],
)
def test_each_of_them_would_be_noticed(text: str) -> None:
    assert offences(text)


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each package; several when they differ by platform or Python."""
    found: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=\w)", (ROOT / f"{lock}.txt").read_text().partition("\n")[2]):
        match = re.match(r"([\w.-]+)==(\S+)", block)
        if match is None:
            assert block.lstrip().startswith("#"), block
            continue
        assert "--hash=sha256:" in block, f"{match[0]} in {lock}.txt"
        found.setdefault(match[1], set()).add(match[2])
    return found


def test_every_lock_has_a_hash_for_everything_and_the_locks_agree() -> None:
    service, local, dev = pins("requirements/service"), pins("requirements/local"), pins("requirements/dev")
    assert len(service) > 20
    assert service.items() <= local.items()
    assert local.items() <= dev.items()
    assert pins("chalice_app/requirements").items() <= pins("requirements/function").items()
    assert set(pins("requirements/uv")) == {"uv"}
