"""Build the zip of the operations app: `build ops`.

Chalice packages it, without a network: the few packages it needs, in the versions of requirements/function.txt and with
their hashes, lie beside it as its `vendor` folder. Its SAM template is expanded to plain CloudFormation and compared
with the `ops` stack, which says the same in `cfn`; where they differ, nothing is written.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from cfn.environments import ENVIRONMENTS
from cfn.operations import HANDLERS
from scripts import bootstrap
from scripts.builds import archive, inspection
from scripts.builds.bytecode import compile_all
from scripts.builds.cache import digest, digest_of, whole
from scripts.builds.functions import Bundle, chosen, fresh
from scripts.builds.ops_agreement import differences, expected
from scripts.builds.packages import CACHE, LOCK, builder, full_version, install
from scripts.builds.targets import LINUX, Target
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem, Terminal

SUMMARY = "the zip of the operations app"
OUT = LOCAL / "build" / "ops"
TOOLS = LOCAL / "build" / "tools"
APP = ROOT / "chalice_app"
STAGE = "package"
VENDORED = ("aws-lambda-powertools", "jmespath", "typing-extensions")  # Powertools, and what it stands on
LARGEST = 3_000_000  # bytes
ROLE = "arn:aws:iam::000000000000:role/of-the-stack"  # Chalice wants one named, or makes its own
EXPAND = Path(__file__).with_name("ops_expand.py")


def build(target: Target, out: Path, *, app: Path = APP) -> Bundle:
    """Make OUT/ops.zip and its manifest OUT/ops.json, or find that they are up to date. Raises Problem."""
    tools, interpreter = bootstrap.REQUIREMENTS / "ops.txt", full_version(target.interpreter())
    key = digest(
        builder().encode(),
        digest_of(sources(app)).encode(),
        repr(HANDLERS).encode(),
        tools.read_bytes(),
        demanded().encode(),
        f"{target} {interpreter}".encode(),
    )
    out.mkdir(parents=True, exist_ok=True)
    with bootstrap.alone(out / "ops.lock"):
        return fresh(out, "ops", key) or make(target, out, app, key)


def sources(app: Path) -> dict[str, Path]:
    """What Chalice packs of the app, by the names in the zip."""
    paths = [app / "app.py", *(app / "chalicelib").rglob("*.py")]
    return {path.relative_to(app).as_posix(): path for path in paths}


def demanded(lock: Path = LOCK) -> str:
    """The lines of the lock about what is vendored."""
    entries = re.split(r"(?m)^(?=[a-z0-9])", lock.read_text())
    return "".join(entry for entry in entries if entry.partition("==")[0] in VENDORED)


def wheels(target: Target, cache: Path = CACHE) -> Path:
    """What is vendored, unpacked; kept from build to build. Raises Problem."""
    folder = cache / f"vendored-{digest(demanded().encode(), str(target).encode())[:20]}"
    cache.mkdir(parents=True, exist_ok=True)
    with bootstrap.alone(cache / "vendored.lock"):
        if not folder.exists():
            with whole(folder) as new, tempfile.TemporaryDirectory(dir=cache) as temporary:
                lock = Path(temporary) / LOCK.name
                lock.write_text(demanded())
                install(target, lock, new)
    return folder


def make(target: Target, out: Path, app: Path, key: str) -> Bundle:
    python, vendored = tool_environment(target), wheels(target)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=out) as temporary:
        work = Path(temporary)
        stage(app, vendored, work / "app")
        sam = package(python, work / "app", work / "packaged")
        if wrong := differences(expand(python, sam), expected(target)):
            raise Problem(f"The app and the ops stack (cfn/operations.py) differ: {'; '.join(wrong)}.")
        tree = work / "tree"
        shutil.unpack_archive(work / "packaged" / "deployment.zip", tree)
        compile_all(tree, target, sources=True)
        files = archive.below(tree)
        inspection.check(files, target, forbidden=(work, ROOT))
        modules = inspection.modules_of(HANDLERS[0].entry, [tree], target) if target.runs_here else None
        archive.write(work / "ops.zip", files)
        return placed(work / "ops.zip", out, modules, target, key)


def tool_environment(target: Target) -> Path:
    """Chalice names the runtime after the Python that runs it, so it needs one of the target's version."""
    try:
        return bootstrap.environment("ops", TOOLS / f"ops-{target.python}", str(target.interpreter()))
    except bootstrap.BootstrapError as error:
        raise Problem(f"The tools that package the operations app: {error}") from None


def stage(app: Path, vendored: Path, folder: Path) -> None:
    """The app as Chalice expects it, and nothing else: no developer's settings, no file that nobody meant to ship."""
    files = sources(app)
    for name, path in archive.below(vendored).items():
        if needed(name):
            files[f"vendor/{name}"] = path
    for name, path in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    (folder / "requirements.txt").touch()
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "config.json").write_text(json.dumps(settings(app)))


def needed(name: str) -> bool:
    """Code, without the programs for a terminal, and the metadata by which Powertools finds its own version."""
    return name.endswith((".py", ".dist-info/METADATA")) and not name.startswith("bin/")


def settings(app: Path) -> dict[str, object]:
    """What the table says of each function; it comes back in Chalice's template."""
    functions = {
        handler.name: {"lambda_timeout": handler.timeout, "lambda_memory_size": handler.memory} for handler in HANDLERS
    }
    general = json.loads((app / ".chalice" / "config.json").read_text())
    own = {"lambda_functions": functions, "manage_iam_role": False, "iam_role_arn": ROLE}
    return {**general, "stages": {STAGE: own}}


def package(python: Path, app: Path, out: Path) -> Path:
    """Chalice's SAM template; the zip lies beside it."""
    command = [str(python.with_name("chalice")), "package", "--stage", STAGE, "--template-format", "json", str(out)]
    call(command, app)
    return out / "sam.json"


def expand(python: Path, sam: Path) -> object:
    """The same as plain CloudFormation."""
    return json.loads(call([str(python), "-I", str(EXPAND), str(sam)], sam.parent))


def call(command: Sequence[str], folder: Path) -> str:
    """With nothing of this machine's settings for AWS, and no way to a package index."""
    alone = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PIP_NO_INDEX": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = bootstrap.last_line(done.stderr) or bootstrap.last_line(done.stdout)
        raise Problem(f"{Path(command[0]).name} failed on the operations app: {said}")
    return done.stdout


def placed(path: Path, out: Path, modules: int | None, target: Target, key: str) -> Bundle:
    size, hashed = path.stat().st_size, sha256(path.read_bytes()).hexdigest()
    if size > LARGEST:
        raise Problem(f"ops.zip is {size / 1e6:.1f} MB; more than {LARGEST / 1e6:.0f} is too slow.")
    bundle = Bundle(out / path.name, size, modules, hashed)
    facts = {
        "app": "ops",
        "handlers": [handler.entry for handler in HANDLERS],
        "sha256": hashed,
        "size": size,
        "modules": modules,
        "python": full_version(target.interpreter()).split()[0],
        "platform": "this machine" if target.native else "AWS Lambda",
        "files": {name: checksum for name, _, checksum in archive.listing(path)},
        "inputs": key,
    }
    bundle.path.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n")
    path.rename(bundle.path)
    return bundle


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", default="dev", choices=sorted(ENVIRONMENTS), help="what is deployed (default: dev)")
    parser.add_argument("--python", metavar="X.Y", help="default: that of the environment")
    parser.add_argument("--architecture", choices=sorted(LINUX), help="default: that of the environment")
    parser.add_argument("--here", action="store_true", help="for this interpreter, as the twin runs it")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: .local/build/ops")


def run(options: argparse.Namespace) -> int:
    terminal, target = Terminal(), chosen(options)
    with terminal.step("ops.zip") as step:
        bundle = build(target, options.out)
        modules = "" if bundle.modules is None else f"{bundle.modules} modules, "
        step.detail = f"{target}: {bundle.size / 1e6:.2f} MB, {modules}sha256 {bundle.sha256}"
    terminal.say(f"In {options.out}, with its manifest; what wakes its functions is what the ops stack says.")
    return 0
