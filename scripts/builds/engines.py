"""The programs that build images: Docker where its engine answers, else buildah, which needs none."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from scripts import bootstrap
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem

Call = Callable[[Sequence[str]], str]
LOG = LOCAL / "build" / "images.log"
UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`platform` as linux/arm64; `contexts` and `secrets` are folders and files by the names in the Dockerfile."""

    tag: str
    target: str
    platform: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """In the words that both engines know."""
        return [
            *("--file", str(ROOT / "Dockerfile"), "--target", self.target, "--platform", self.platform),
            *(f"--build-arg={name}={value}" for name, value in self.arguments.items()),
            *(f"--label={name}={value}" for name, value in self.labels.items()),
            *(f"--build-context={name}={folder}" for name, folder in self.contexts.items()),
            *(f"--secret=id={name},src={file}" for name, file in self.secrets.items()),
            *("--tag", self.tag, str(ROOT)),
        ]


class Engine(Protocol):
    name: str

    def answers(self) -> bool: ...

    def pull(self, image: str, platform: str) -> str:
        """Have an image here. Returns its digest in the registry; empty when it comes from none. Raises Problem."""

    def build(self, recipe: Recipe) -> None:
        """Raises Problem."""

    def size(self, image: str) -> int:
        """Bytes of all its layers, unpacked. Raises Problem."""

    def push(self, image: str, reference: str) -> str:
        """The digest that the registry knows it by; an image that is there under this tag stays. Raises Problem."""


def call(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> str:
    """What the program says. Raises Problem; the log has all of what a failure said."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        raise Problem(f"There is no {command[0]}.") from None
    if done.returncode != 0:
        said = bootstrap.last_line(done.stderr) or bootstrap.last_line(done.stdout)
        LOG.parent.mkdir(parents=True, exist_ok=True)
        LOG.write_text(f"$ {' '.join(command)}\n{done.stdout}\n{done.stderr}")
        raise Problem(f"{' '.join(command[:2])} failed ({LOG.relative_to(ROOT)}): {said}")
    return done.stdout


class Docker:
    name = "docker"

    def __init__(self, call: Call = call) -> None:
        self._call = call

    def answers(self) -> bool:
        """The program alone says nothing: it is often there without an engine."""
        return succeeds(self._call, ["docker", "info"])

    def pull(self, image: str, platform: str) -> str:
        self._call(["docker", "pull", "--quiet", "--platform", platform, image])
        digests: list[str] = json.loads(self._inspect(image, "{{json .RepoDigests}}")) or []
        return digests[0].partition("@")[2] if digests else ""

    def build(self, recipe: Recipe) -> None:
        self._call(["docker", "buildx", "build", "--load", *recipe.options])

    def size(self, image: str) -> int:
        return int(self._inspect(image, "{{.Size}}"))

    def push(self, image: str, reference: str) -> str:
        look = ["docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest.Digest}}", reference]
        if not succeeds(self._call, look):
            self._call(["docker", "tag", image, reference])
            self._call(["docker", "push", "--quiet", reference])
        digest: str = json.loads(self._call(look))
        return digest

    def _inspect(self, image: str, form: str) -> str:
        return self._call(["docker", "image", "inspect", "--format", form, image]).strip()


class Buildah:
    """In the isolation that needs no container runtime, and in the format that keeps the health check."""

    name = "buildah"

    def __init__(self, call: Call = call) -> None:
        self._call = call

    def answers(self) -> bool:
        return succeeds(self._call, ["buildah", "--version"])

    def pull(self, image: str, platform: str) -> str:
        if image.startswith("localhost/"):
            return ""
        self._call(["buildah", "pull", "--quiet", "--platform", platform, image])
        return self._call(["buildah", "inspect", "--type=image", "--format={{.FromImageDigest}}", image]).strip()

    def build(self, recipe: Recipe) -> None:
        self._call(["buildah", "bud", "--isolation=chroot", "--format=docker", "--layers", *recipe.options])

    def size(self, image: str) -> int:
        """It says three digits and a unit."""
        figure, unit = json.loads(self._call(["buildah", "images", "--json", image]))[0]["size"].split()
        return round(float(figure) * UNITS[unit])

    def push(self, image: str, reference: str) -> str:
        there = ["buildah", "manifest", "inspect", f"docker://{reference}"]
        if succeeds(self._call, there):
            self._call(["buildah", "pull", "--quiet", reference])
            return self._call(
                ["buildah", "inspect", "--type=image", "--format={{.FromImageDigest}}", reference]
            ).strip()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "digest"
            self._call(["buildah", "push", "--quiet", f"--digestfile={file}", image, f"docker://{reference}"])
            return file.read_text().strip()


def succeeds(call: Call, command: Sequence[str]) -> bool:
    try:
        call(command)
    except Problem:
        return False
    return True


def available() -> Engine:
    """Raises Problem."""
    engines: tuple[Engine, ...] = (Docker(), Buildah())
    for engine in engines:
        if engine.answers():
            return engine
    raise Problem("Images need a Docker engine that answers, or buildah: on Debian and Ubuntu, apt install buildah.")
