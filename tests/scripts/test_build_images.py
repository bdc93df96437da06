"""`build images`: which engine is asked for what, and what is refused."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import certifi
import pytest

from cfn.environments import ENVIRONMENTS
from scripts.builds import engines, images, interpreter
from scripts.builds.engines import Buildah, Docker, Recipe, call
from scripts.places import ROOT
from scripts.terminal import Problem

DIGEST = "sha256:" + "ab" * 32
RECIPE = Recipe(
    tag="t:1",
    target="service",
    platform="linux/arm64",
    arguments={"PYTHON_IMAGE": "p"},
    labels={"version": "1"},
    contexts={"certificates": Path("/certificates")},
    secrets={"authorities": Path("/authorities")},
)


class Program:
    """Notes what it is called with, and answers by the first words that fit; "no" is a failure."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.calls: list[str] = []
        self._answers = answers

    def __call__(self, command: Sequence[str]) -> str:
        line = " ".join(command)
        self.calls.append(line)
        answer = next((said for start, said in self._answers.items() if line.startswith(start)), "")
        if answer == "no":
            raise Problem(line)
        return answer


@pytest.mark.parametrize(("make", "start"), [(Docker, "docker buildx build --load"), (Buildah, "buildah bud")])
def test_both_engines_are_told_the_same(make: Callable[[Program], Docker | Buildah], start: str) -> None:
    program = Program({})
    make(program).build(RECIPE)
    (line,) = program.calls
    assert line.startswith(start)
    for part in (
        f"--file {ROOT}/Dockerfile --target service --platform linux/arm64",
        "--build-arg=PYTHON_IMAGE=p",
        "--label=version=1",
        "--build-context=certificates=/certificates",
        "--secret=id=authorities,src=/authorities",
        f"--tag t:1 {ROOT}",
    ):
        assert part in line


def test_a_docker_that_is_there_without_an_engine_does_not_answer() -> None:
    assert not Docker(Program({"docker info": "no"})).answers()
    assert Docker(Program({})).answers()


def test_without_docker_buildah_is_asked_and_without_both_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Docker", "Buildah"):
        monkeypatch.setattr(getattr(engines, name), "answers", lambda _: False)
    with pytest.raises(Problem, match="a Docker engine that answers, or buildah"):
        engines.available()
    monkeypatch.setattr(Buildah, "answers", lambda _: True)
    assert engines.available().name == "buildah"


def test_a_program_that_fails_says_its_last_line_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LOG", ROOT / ".local" / f"{tmp_path.name}.log")
    try:
        with pytest.raises(Problem, match=r"sh -c failed \(\.local/.+\): no space"):
            call(["sh", "-c", "echo first >&2; echo no space >&2; exit 1"])
        assert "first" in engines.LOG.read_text()
    finally:
        engines.LOG.unlink()
    with pytest.raises(Problem, match="There is no nobody-has-this"):
        call(["nobody-has-this"])


@pytest.mark.parametrize(("size", "expected"), [("219 MB", 219_000_000), ("79.9 MB", 79_900_000), ("1.2 GB", 1.2e9)])
def test_buildahs_sizes_are_read(size: str, expected: float) -> None:
    assert Buildah(Program({"buildah images": json.dumps([{"size": size}])})).size("x") == expected


class Engine:
    """Builds what it is told, in no time."""

    name = "none"

    def __init__(self, above: int = 50_000_000, digest: str = DIGEST) -> None:
        self.recipes: list[Recipe] = []
        self.certificates: list[str] = []
        self.pushed: list[tuple[str, str]] = []
        self._above, self._digest = above, digest

    def answers(self) -> bool:
        return True

    def pull(self, image: str, platform: str) -> str:  # noqa: ARG002 - as an engine has it
        return self._digest

    def build(self, recipe: Recipe) -> None:
        self.recipes.append(recipe)
        self.certificates += [path.name for folder in recipe.contexts.values() for path in folder.iterdir()]

    def size(self, image: str) -> int:
        return 100_000_000 + (self._above if image == images.local_name("t") else 0)

    def push(self, image: str, reference: str) -> str:
        self.pushed.append((image, reference))
        return self._digest


def test_it_is_built_upon_the_base_that_was_pulled() -> None:
    engine = Engine()
    assert images.build(engine, "t", "linux/amd64", env={}) == 50_000_000
    (recipe,) = engine.recipes
    assert recipe.arguments == {"PYTHON_IMAGE": images.BASE, "PYTHON_DIGEST": DIGEST}
    assert recipe.labels["org.opencontainers.image.base.digest"] == DIGEST
    assert recipe.labels["org.opencontainers.image.version"] == "t"
    assert (recipe.tag, recipe.target) == ("localhost/tandem:t", "service")
    assert not recipe.contexts
    assert not recipe.secrets


def test_a_base_that_is_named_by_its_digest_is_not_named_twice() -> None:
    engine = Engine()
    images.build(engine, "t", "linux/amd64", base=f"python:3.13-slim@{DIGEST}", env={})
    assert "PYTHON_DIGEST" not in engine.recipes[0].arguments


def test_certificates_and_the_authorities_of_a_proxy_reach_the_build(tmp_path: Path) -> None:
    engine, bundle = Engine(), Path(certifi.where())
    images.build(engine, "t", "linux/amd64", certificates=bundle, env={"SSL_CERT_FILE": str(bundle)})
    assert engine.certificates == ["rds.pem"]
    assert engine.recipes[0].secrets == {"authorities": bundle}
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(Problem, match="holds no certificates"):
        images.build(engine, "t", "linux/amd64", certificates=tmp_path / "none.pem", env={})


def test_an_image_that_has_grown_too_big_is_refused() -> None:
    with pytest.raises(Problem, match="121 MB above its base"):
        images.build(Engine(above=121_000_000), "t", "linux/amd64", env={})


def test_each_service_has_its_repository_and_the_digests_are_kept_to_be_signed() -> None:
    engine = Engine()
    pushed = images.push(engine, "t", "registry", ENVIRONMENTS["dev"])
    assert [reference for _, reference in engine.pushed] == [
        "registry/tandem-dev/product:t",
        "registry/tandem-dev/order:t",
        "registry/tandem-dev/frontend:t",
    ]
    assert images.checksums(pushed).splitlines()[0] == f"{'ab' * 32}  registry/tandem-dev/product"


def test_what_the_registry_has_under_a_tag_is_not_pushed_again() -> None:
    look = "docker buildx imagetools inspect"
    there = Program({look: json.dumps(DIGEST)})
    assert Docker(there).push("t:1", "r/x:1") == DIGEST
    assert not [line for line in there.calls if line.startswith("docker push")]
    other = Program({"buildah manifest": "", "buildah inspect": f"{DIGEST}\n"})
    assert Buildah(other).push("t:1", "r/x:1") == DIGEST
    assert not [line for line in other.calls if line.startswith("buildah push")]


def test_pip_goes_with_its_copy_its_metadata_and_its_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("lib/pipx0/__init__.py", "lib/pipx0-1.0.dist-info/METADATA", "lib/other/__init__.py", "bin/pip3.13"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    interpreter.remove(["pipx0", "not-there"], [str(tmp_path / "bin")])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["__init__.py", "bin", "lib", "other"]


def test_the_library_is_compiled_without_its_tests(tmp_path: Path) -> None:
    for path in ("json/x.py", "test/y.py"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text("1\n")
    interpreter.compile_library(str(tmp_path))
    (made,) = tmp_path.rglob("*.pyc")
    assert made.parent.parent.name == "json"
    assert made.read_bytes()[4] == 1  # unchecked-hash
