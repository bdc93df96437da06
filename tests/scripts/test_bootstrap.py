"""scripts/tandem on a machine that has nothing: what it finds, installs once, and says when it cannot."""

import base64
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.places import ROOT

ECHO = "import sys, fake; print('ran', *sys.argv[1:])\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a space, whose lock holds one small wheel that lies in a folder of the machine."""
    root = tmp_path / "a shop"
    (root / "scripts").mkdir(parents=True)
    for name in ("tandem", "up", "test", "bootstrap.py"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts" / name)
    (root / "scripts" / "__main__.py").write_text(ECHO)
    wheel = make_wheel(tmp_path / "wheels")
    (root / "requirements").mkdir()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for lock in ("local", "aws", "dev"):
        write_lock(root, lock, digest)
    (root / "requirements" / "uv.txt").write_text(f"uv==0.0.1 --hash=sha256:{'0' * 64}\n")
    return root


def write_lock(root: Path, lock: str, digest: str, comment: str = "") -> None:
    (root / "requirements" / f"{lock}.txt").write_text(f"fake==1.0 --hash=sha256:{digest}\n{comment}")


def make_wheel(folder: Path) -> Path:
    folder.mkdir()
    wheel = folder / "fake-1.0-py3-none-any.whl"
    info = "fake-1.0.dist-info"
    files = {
        "fake.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: fake\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        record = ""
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(text)}\n"
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return wheel


def environment(checkout: Path, **extra: str) -> dict[str, str]:
    """An empty one, but for a uv that does its work in no time, and a folder that stands for the package index."""
    wheels = str(checkout.parent / "wheels")
    uv = executable(
        checkout.parent / "tools" / "uv", 'touch "$(echo "${4%/bin/python}"/lib/python3.*/site-packages)/fake.py"'
    )
    return {
        "HOME": str(checkout.parent),
        "PATH": f"{uv.parent}:/usr/bin:/bin",
        "PYTHON": str(Path(sys.base_prefix) / "bin" / "python3"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheels,
        "PIP_CONFIG_FILE": os.devnull,
    } | extra


BARE = {"PATH": "/usr/bin:/bin"}


def run(command: Path | str, *arguments: str, env: dict[str, str], cwd: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603
        [str(command), *arguments], env=env, cwd=cwd or "/", capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done.returncode, done.stdout, done.stderr


def test_the_first_start_installs_and_the_second_skips_everything(checkout: Path) -> None:
    env = environment(checkout) | BARE
    code, out, err = run(checkout / "scripts" / "up", "--port", "1", env=env)
    assert (code, err) == (0, "")
    assert "installing requirements/local.txt" in out
    assert out.endswith("ran up --port 1\n")
    assert run(checkout / "scripts" / "up", env=env) == (0, "ran up\n", "")


def test_another_environment_holds_one_lock_and_is_made_once(checkout: Path, tmp_path: Path) -> None:
    """For what does not fit into `.venv`: the name of a lock, a folder, and the interpreter that is in it then."""
    code = "import bootstrap, pathlib, sys; print(bootstrap.environment(sys.argv[1], pathlib.Path(sys.argv[2])))"
    env = environment(checkout) | {"PYTHONPATH": str(checkout / "scripts")}
    python, folder, lock = env["PYTHON"], tmp_path / "deep" / "runtime", checkout / "requirements" / "runtime.txt"

    def asked() -> tuple[int, str, str]:
        return run(python, "-c", code, "runtime", str(folder), env=env)

    shutil.copy(checkout / "requirements" / "local.txt", lock)
    assert asked() == (0, f"{folder}/bin/python\n", "")
    assert (folder / "installed-runtime.txt").read_text() == lock.read_text()
    (folder / "stays").touch()
    assert asked()[0] == 0
    assert (folder / "stays").exists()
    lock.write_text(lock.read_text() + "# changed\n")
    assert asked()[0] == 0
    assert not (folder / "stays").exists()
    assert not (checkout / ".venv").exists()


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A checkout whose environment fits its local lock, made by hand because that is faster."""
    venv = checkout / ".venv"
    site = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    site.mkdir(parents=True)
    (site / "fake.py").touch()
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (venv / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    shutil.copy(checkout / "requirements" / "local.txt", venv / "installed-local.txt")
    return checkout


def test_it_is_reached_through_a_link_from_anywhere(installed: Path, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "shop"
    link.parent.mkdir()
    link.symlink_to(os.path.relpath(installed / "scripts" / "up", link.parent))
    assert run(link, "x y", env=environment(installed), cwd=tmp_path) == (0, "ran up x y\n", "")


def test_a_start_that_has_nothing_to_install_takes_a_moment(installed: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run(installed / "scripts" / "tandem", "seed", env=environment(installed))[0] == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert spent < 0.25  # of the processor, since a wall clock says how busy the machine is; 0.05 is usual


def test_a_changed_lock_is_installed_again(installed: Path) -> None:
    lock = installed / "requirements" / "local.txt"
    lock.write_text(lock.read_text() + "# changed\n")
    assert "installing requirements/local.txt" in run(installed / "scripts" / "up", env=environment(installed))[1]
    assert (installed / ".venv" / "installed-local.txt").read_text() == lock.read_text()


def test_testing_needs_the_development_lock_and_running_does_not(installed: Path) -> None:
    assert "installing" not in run(installed / "scripts" / "up", env=environment(installed))[1]
    assert "installing requirements/dev.txt" in run(installed / "scripts" / "test", env=environment(installed))[1]
    assert "installing" not in run(installed / "scripts" / "up", env=environment(installed))[1]


def test_two_starts_at_once_install_once(checkout: Path) -> None:
    starts = [
        subprocess.Popen([checkout / "scripts" / "up"], env=environment(checkout), stdout=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(2)
    ]
    answers = [start.communicate(timeout=60)[0] for start in starts]
    assert [start.returncode for start in starts] == [0, 0]
    assert sum("installing" in answer for answer in answers) == 1
    assert all(answer.endswith("ran up\n") for answer in answers)


def test_uv_on_the_path_installs(checkout: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    env = environment(checkout)
    executable(tmp_path / "tools" / "uv", f'echo "$UV_PYTHON_DOWNLOADS $UV_SYSTEM_CERTS $*" > {said}')
    subprocess.run([checkout / "scripts" / "up"], env=env, capture_output=True, timeout=60, check=False)  # noqa: S603
    python = checkout / ".venv" / "bin" / "python"
    lock = checkout / "requirements" / "local.txt"
    assert said.read_text() == f"never true pip install --python {python} --require-hashes -r {lock}\n"


def test_pip_takes_over_when_uv_fails(checkout: Path, tmp_path: Path) -> None:
    env = environment(checkout)
    executable(tmp_path / "tools" / "uv", "echo this uv is broken; exit 1")
    assert run(checkout / "scripts" / "up", env=env)[1].endswith("ran up\n")


def test_a_lock_that_does_not_fit_is_one_sentence(checkout: Path) -> None:
    write_lock(checkout, "local", "f" * 64)
    code, _, err = run(checkout / "scripts" / "up", env=environment(checkout) | BARE)
    assert code == 1
    assert err.startswith("tandem: requirements/local.txt does not fit what the package index serves (hash mismatch)")
    assert err.count("\n") == 1
    assert not list((checkout / ".venv").glob("installed-*"))


def test_no_network_is_one_sentence(checkout: Path) -> None:
    env = environment(checkout, PIP_FIND_LINKS="") | BARE
    code, _, err = run(checkout / "scripts" / "up", env=env)
    assert code == 1
    assert err.startswith("tandem: packages could not be downloaded; is there a network connection?")
    assert err.count("\n") == 1


def test_a_machine_without_a_fit_python_is_one_sentence(checkout: Path, tmp_path: Path) -> None:
    """Version managers leave shims on the PATH that exist and fail."""
    old = executable(tmp_path / "old" / "python3", "echo 3.9")
    executable(tmp_path / "old" / "python3.12", "echo no such version >&2; exit 127")
    for tool in ("sh", "dirname", "readlink", "cmp"):
        (old.parent / tool).symlink_to(str(shutil.which(tool)))
    env = {"HOME": str(tmp_path), "PATH": str(old.parent)}
    code, out, err = run(checkout / "scripts" / "up", env=env)
    assert (code, out) == (1, "")
    assert err == "tandem needs Python 3.11 or newer; found 3.9 on the PATH.\n"


def test_a_python_without_venv_is_one_sentence(checkout: Path, tmp_path: Path) -> None:
    """Debian packs venv and ensurepip apart from Python."""
    crippled = f'case "$*" in *venv*) echo "No module named venv"; exit 1;; esac; exec {sys.executable} "$@"'
    bootstrap = (ROOT / "scripts" / "bootstrap.py").read_text()
    crippled_python = executable(tmp_path / "crippled" / "python", crippled)
    (checkout / "scripts" / "bootstrap.py").write_text(bootstrap.replace("sys.executable", repr(str(crippled_python))))
    code, _, err = run(checkout / "scripts" / "up", env=environment(checkout))
    assert code == 1
    assert err.startswith("tandem: this Python cannot make environments; install its venv package")
    assert err.count("\n") == 1


def test_a_checkout_that_cannot_be_written_is_one_sentence(checkout: Path) -> None:
    (checkout / ".local").write_text("in the way")
    code, _, err = run(checkout / "scripts" / "up", env=environment(checkout))
    assert code == 1
    assert err.startswith("tandem: ")
    assert ".local" in err
    assert err.count("\n") == 1


def test_a_venv_of_a_python_that_is_gone_is_made_again(installed: Path) -> None:
    python = installed / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert run(installed / "scripts" / "up", env=environment(installed))[1].endswith("ran up\n")


def executable(path: Path, body: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path
