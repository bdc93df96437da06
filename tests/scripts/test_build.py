"""`build lambda`: what is in the zips, that they are the same bytes again, and what is refused."""

import argparse
import importlib.metadata
import json
import marshal
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cfn.environments import SERVICES, environment
from scripts import bootstrap, build
from scripts.__main__ import main
from scripts.builds import archive, functions, inspection, packages
from scripts.builds.bytecode import TASK_ROOT, compile_all
from scripts.builds.cache import forget_old, whole
from scripts.builds.functions import Bundle
from scripts.builds.targets import THIS, Target
from scripts.terminal import Problem
from scripts.twin.functions import code
from tests.scripts.needs import downloaded

# Importing is what a cold start costs, and the number of modules is the same on every machine, unlike the time.
# A new one is not free: look at `tandem bench cold` before raising these.
MODULES = {"product": 570, "order": 560, "frontend": 560}
SHIPPED = [service.name for service in SERVICES]


@pytest.fixture(scope="session")
def shipped() -> dict[str, Bundle]:
    """The zips of this checkout for this machine, where the twin keeps them, too."""
    return downloaded(lambda: {name: functions.build(name, Target.here(), code.FOLDER / code.ZIPS) for name in SHIPPED})


@pytest.mark.parametrize("service", SHIPPED)
def test_a_zip_is_small_and_imports_little(shipped: dict[str, Bundle], service: str) -> None:
    bundle = shipped[service]
    assert bundle.size <= inspection.LARGEST
    assert bundle.modules is not None
    assert bundle.modules <= MODULES[service], f"importing the {service} handler loads more modules than it did"
    assert bundle.modules > MODULES[service] - 100, "the ceiling can come down"


@pytest.mark.parametrize("service", SHIPPED)
def test_a_zip_holds_its_service_the_chassis_and_the_packages_alone(shipped: dict[str, Bundle], service: str) -> None:
    names = zipfile.ZipFile(shipped[service].path).namelist()
    own = {name.split("/")[1] for name in names if name.startswith("services/") and name.count("/") > 1}
    assert own - {"__pycache__"} == {service, "chassis"}
    tops = {name.split("/")[0] for name in names}
    assert {"services", "fastapi", "mangum", "pg8000", "aws_lambda_powertools"} <= tops
    assert not tops & {"boto3", "botocore", "uvicorn", "tests", "bin"}
    assert len(names) == len(set(names))


def test_data_files_travel_along(shipped: dict[str, Bundle]) -> None:
    names = set(zipfile.ZipFile(shipped["product"].path).namelist())
    assert "services/product/demo.csv" in names
    assert any(name.startswith("services/product/sql/") and name.endswith(".sql") for name in names)


def test_own_modules_have_sources_for_tracebacks_and_packages_do_not(shipped: dict[str, Bundle]) -> None:
    names = set(zipfile.ZipFile(shipped["product"].path).namelist())
    assert {
        "services/product/main.py",
        f"services/product/__pycache__/main.{sys.implementation.cache_tag}.pyc",
    } <= names
    assert "fastapi/applications.pyc" in names
    assert not {name for name in names if name.endswith(".py")} - {n for n in names if n.startswith("services/")}


def test_bytecode_is_valid_whatever_the_time_and_says_var_task(shipped: dict[str, Bundle]) -> None:
    with zipfile.ZipFile(shipped["order"].path) as opened:
        compiled = {name: opened.read(name) for name in opened.namelist() if name.endswith(".pyc")}
    assert len(compiled) > 500
    assert {content[4:8] for content in compiled.values()} == {b"\1\0\0\0"}
    for name in (f"services/chassis/__pycache__/web.{sys.implementation.cache_tag}.pyc", "pg8000/core.pyc"):
        loaded: CodeType = marshal.loads(compiled[name][16:])  # noqa: S302 - what was just compiled
        assert loaded.co_filename.startswith(f"{TASK_ROOT}/{name.split('/')[0]}/")


def test_order_times_and_permissions_are_fixed(shipped: dict[str, Bundle]) -> None:
    entries = zipfile.ZipFile(shipped["order"].path).infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.create_system for entry in entries} == {3}
    split = next(place for place, entry in enumerate(entries) if entry.filename.startswith("services/"))
    names = [entry.filename for entry in entries]
    assert names == sorted(names[:split]) + sorted(names[split:])


def test_what_the_packages_say_of_themselves_is_still_there(shipped: dict[str, Bundle]) -> None:
    tree = str(packages.packages(Target.here()).tree)
    found = {each.name: each for each in importlib.metadata.distributions(path=[tree])}
    assert found["pydantic"].version == importlib.metadata.version("pydantic")
    assert any(point.group == "opentelemetry_context" for point in found["opentelemetry-api"].entry_points)
    assert shipped


def test_the_manifest_says_what_is_in_the_zip(shipped: dict[str, Bundle]) -> None:
    bundle = shipped["product"]
    manifest = json.loads(bundle.path.with_suffix(".json").read_text())
    assert manifest["sha256"] == bundle.sha256 == sha256(bundle.path.read_bytes()).hexdigest()
    assert manifest["size"] == bundle.size == bundle.path.stat().st_size
    assert manifest["python"].startswith(f"{THIS}.")
    assert manifest["files"] == len(zipfile.ZipFile(bundle.path).namelist())
    assert manifest["certificates"] is False


def test_the_packages_are_the_same_bytes_when_they_are_made_again(shipped: dict[str, Bundle], tmp_path: Path) -> None:
    """Bytecode depends on what was compiled before it, and on more if nobody takes care."""
    assert shipped
    made_before = archive.below(packages.packages(Target.here()).tree)
    wheels = downloaded(lambda: packages.wheels(Target.here()))
    made_again = packages.grow(tmp_path / "tree", wheels, Target.here())
    assert made_again.keys() == made_before.keys()
    assert [name for name in made_again if made_again[name].read_bytes() != made_before[name].read_bytes()] == []


def test_the_lock_has_no_condition_on_the_machine_that_builds() -> None:
    """pip would evaluate it for this machine, not for the one that the zip is for."""
    assert ";" not in packages.LOCK.read_text().replace("; python_", "")


# --- a small checkout of our own, and an index that is a folder ------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service of one line on one package; what would ask the network finds a folder."""
    wheel = make_wheel(tmp_path / "wheels")
    for setting in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(setting, str(wheel.parent))
    for setting in ("PIP_NO_INDEX", "UV_NO_INDEX", "UV_OFFLINE"):
        monkeypatch.setenv(setting, "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    root = tmp_path / "checkout"
    for folder in ("chassis", "tiny", "tiny/sql", "other", "tiny/__pycache__"):
        (root / "services" / folder).mkdir(parents=True)
    for name in ("__init__.py", "chassis/__init__.py", "tiny/__init__.py", "other/__init__.py"):
        (root / "services" / name).touch()
    (root / "services/tiny/lambda_handler.py").write_text(
        "import fake\n\n\ndef handler(e, c):\n    return fake.ANSWER\n"
    )
    (root / "services/tiny/sql/0001.sql").write_text("SELECT 1")
    (root / "services/tiny/__pycache__/stale.pyc").write_text("stale")
    digest = sha256(wheel.read_bytes()).hexdigest()
    (root / "function.txt").write_text(f"fake==1.0 --hash=sha256:{digest}\n")
    return root


def make_wheel(folder: Path) -> Path:
    folder.mkdir()
    info = "fake-1.0.dist-info"
    files = {
        "fake/__init__.py": "ANSWER = frozenset({'a', 'b', 'c'})\n",
        "fake/__init__.pyi": "",
        "fake/tests/test_fake.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: fake\nVersion: 1.0\n\nA long readme.\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / "fake-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return folder / "fake-1.0-py3-none-any.whl"


def made(checkout: Path, place: Path, certificates: Path | None = None) -> Bundle:
    return functions.build(
        "tiny",
        Target.here(),
        place / "out",
        certificates=certificates,
        root=checkout,
        lock=checkout / "function.txt",
        cache=place / "cache",
    )


def test_two_builds_from_nothing_are_the_same_bytes(checkout: Path, tmp_path: Path) -> None:
    first, elsewhere = made(checkout, tmp_path / "1"), shutil.copytree(checkout, tmp_path / "moved")
    for path in elsewhere.rglob("*"):
        os.utime(path, (0, 0))
    second = made(elsewhere, tmp_path / "a longer folder")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first == replace(second, path=first.path)
    names = zipfile.ZipFile(first.path).namelist()
    assert names[:3] == ["fake-1.0.dist-info/METADATA", "fake/__init__.pyc", "services/__init__.py"]
    assert {name for name in names if not name.endswith((".py", ".pyc"))} == {names[0], "services/tiny/sql/0001.sql"}
    assert not [name for name in names if "other" in name or "stale" in name]


def test_what_has_not_changed_is_not_built_again(checkout: Path, tmp_path: Path) -> None:
    first = made(checkout, tmp_path)
    os.utime(first.path, (0, 0))
    assert made(checkout, tmp_path) == first
    assert first.path.stat().st_mtime == 0
    (checkout / "services/tiny/sql/0002.sql").write_text("SELECT 2")
    assert made(checkout, tmp_path).sha256 != first.sha256


def test_a_zip_that_somebody_changed_is_built_again(checkout: Path, tmp_path: Path) -> None:
    first = made(checkout, tmp_path)
    first.path.write_bytes(b"broken")
    assert made(checkout, tmp_path) == first
    assert sha256(first.path.read_bytes()).hexdigest() == first.sha256


def test_pip_makes_the_same_zip_as_uv(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(checkout, tmp_path / "1")
    monkeypatch.setattr(bootstrap, "fetch_uv", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert made(checkout, tmp_path / "2").sha256 == first.sha256


def test_without_a_network_and_a_cache_it_is_one_sentence(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(setting, "")
    with pytest.raises(Problem, match=r"packages could not be downloaded; is there a network connection\?"):
        made(checkout, tmp_path)
    assert not list((tmp_path / "cache").glob("wheels-*"))


def test_a_wheel_that_is_not_the_one_of_the_lock_is_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "function.txt").write_text(f"fake==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(Problem, match="does not fit what the package index serves"):
        made(checkout, tmp_path)


def test_a_handler_that_cannot_be_imported_from_its_zip_is_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "services/tiny/lambda_handler.py").write_text("import pytest\n")
    with pytest.raises(Problem, match="cannot be imported from its zip: ModuleNotFoundError: No module named 'pytest'"):
        made(checkout, tmp_path)
    assert not (tmp_path / "out/tiny.zip").exists()


def test_a_handler_that_imports_boto3_is_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "services/tiny/boto3.py").touch()
    handler = "import sys\nsys.modules['boto3'] = sys\ndef handler(): pass\n"
    (checkout / "services/tiny/lambda_handler.py").write_text(handler)
    with pytest.raises(Problem, match="loads boto3, which costs half of a cold start"):
        made(checkout, tmp_path)


def test_certificates_lie_beside_the_code(checkout: Path, tmp_path: Path) -> None:
    authority = self_signed(tmp_path / "authority.pem")
    bundle = made(checkout, tmp_path, authority)
    assert zipfile.ZipFile(bundle.path).read("rds.pem") == authority.read_bytes()
    assert json.loads(bundle.path.with_suffix(".json").read_text())["certificates"] is True
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(Problem, match="holds no certificates"):
        made(checkout, tmp_path, tmp_path / "none.pem")


def self_signed(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    path.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return path


# --- what a zip may not hold -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "good.py").write_text("x = 1\n")
    compile_all(folder, Target.here(), sources=True)
    return folder


def test_a_module_with_its_bytecode_is_good(compiled: Path) -> None:
    inspection.check(archive.below(compiled), Target.here(), forbidden=[compiled])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("boto3/__init__.py", b"", "AWS's runtime has it"),
        ("fake/tests/test_fake.py", b"", "no part of what runs"),
        ("fake/x.pyi", b"", "no part of what runs"),
        ("services/new.py", b"", "has no bytecode"),
        ("x.pyc", b"\0\0\r\n\1\0\0\0", "is not the bytecode of Python"),
        ("x.pyc", MAGIC_NUMBER + b"\0\0\0\0", "checked against the time"),
        ("x.pyc", MAGIC_NUMBER + b"\3\0\0\0", "checked against the time"),
        ("x.pyc", MAGIC_NUMBER + b"\1\0\0\0 /somebody/x.py", "holds a path of this machine"),
    ],
)
def test_what_does_not_belong_is_named(compiled: Path, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / "it").write_bytes(content)
    files = archive.below(compiled) | {name: tmp_path / "it"}
    with pytest.raises(Problem, match=f"{name}.* {said}"):
        inspection.check(files, Target.here(), forbidden=[Path("/somebody")])


# --- targets, cache, command -----------------------------------------------------------------------------------------


def test_wheels_fit_the_system_below_the_runtime() -> None:
    """Amazon Linux 2 has glibc 2.26, Amazon Linux 2023 has 2.34."""
    assert Target("3.11", "x86_64").levels == ("manylinux_2_17_x86_64", "manylinux2014_x86_64")
    assert Target("3.13", "arm64").levels[0] == "manylinux_2_28_aarch64"


def test_a_version_that_is_not_installed_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\necho no such version >&2; exit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"there is no python3\.99 on the PATH that runs"):
        Target("3.99", "x86_64").interpreter()


def test_the_cache_keeps_what_was_used_last(tmp_path: Path) -> None:
    for number in range(6):
        with whole(tmp_path / f"x-{number}") as folder:
            (folder / "file").touch()
        os.utime(tmp_path / f"x-{number}", (number, number))
    forget_old(tmp_path, "x-*", kept=2)
    assert {path.name for path in tmp_path.iterdir()} == {"x-4", "x-5"}


def test_a_folder_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "file").touch()
        raise Problem("no")

    with pytest.raises(Problem), whole(tmp_path / "x") as folder:
        fill(folder)
    assert not list(tmp_path.iterdir())


def test_what_is_unpacked_nobody_may_write(checkout: Path, tmp_path: Path) -> None:
    archive.unpack(made(checkout, tmp_path).path, tmp_path / "code")
    modes = {path.stat().st_mode & 0o222 for path in (tmp_path / "code").rglob("*")}
    assert modes == {0}


def test_the_command_says_size_modules_and_hash(shipped: dict[str, Bundle], capsys: pytest.CaptureFixture[str]) -> None:
    place = shipped["order"].path.parent
    assert main(["build", "lambda", "--here", "--service", "order", "--out", str(place)]) == 0
    said = capsys.readouterr().out
    expected = shipped["order"]
    assert f"{expected.size / 1e6:.2f} MB, {expected.modules} modules, sha256 {expected.sha256}" in said
    assert "product" not in said


def test_the_target_is_that_of_the_environment_unless_told() -> None:
    parser = argparse.ArgumentParser()
    functions.arguments(parser)
    deployed = environment("prod")
    assert functions.chosen(parser.parse_args(["--env", "prod"])) == Target(
        deployed.functions.python, deployed.size.architecture
    )
    told = ["--python", "3.14", "--architecture", "arm64"]
    assert functions.chosen(parser.parse_args(told)) == Target("3.14", "arm64")
    assert functions.chosen(parser.parse_args(["--here"])) == Target.here()


def test_the_summary_names_everything_that_can_be_built() -> None:
    assert all(kind in build.SUMMARY for kind in build.KINDS)
