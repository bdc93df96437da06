"""Build the zips of the Lambda functions: `build lambda`.

Each holds the packages of requirements/function.txt as bytecode, and services/chassis and one service as bytecode with
sources, so that a traceback in the log of a function shows lines of ours. Two builds by the same interpreter are the
same bytes; the manifest beside each zip says what it was made of.
"""

import argparse
import json
import shutil
import ssl
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cfn.configuration import CERTIFICATES
from cfn.environments import ENVIRONMENTS, SERVICES, environment
from scripts import bootstrap
from scripts.builds import archive, inspection
from scripts.builds.bytecode import compile_all
from scripts.builds.cache import digest
from scripts.builds.packages import CACHE, LOCK, Packages, full_version, packages
from scripts.builds.targets import LINUX, Target
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem, Terminal

__all__ = ["Bundle", "Target", "build"]

SUMMARY = "zips of the Lambda functions"
OUT = LOCAL / "build" / "lambda"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A zip: its size in bytes, how many modules importing the handler loads (None where this machine cannot import
    what it holds), and its hash, as hexadecimal digits."""

    path: Path
    size: int
    modules: int | None
    sha256: str


def build(
    service: str,
    target: Target,
    out: Path,
    *,
    certificates: Path | None = None,
    root: Path = ROOT,
    lock: Path = LOCK,
    cache: Path = CACHE,
) -> Bundle:
    """Make OUT/SERVICE.zip and its manifest OUT/SERVICE.json, or find that they are up to date. Raises Problem."""
    shared = packages(target, lock=lock, cache=cache)
    files = {name: path.read_bytes() for name, path in sources(service, root).items()}
    if certificates is not None:
        files[CERTIFICATES] = checked(certificates)
    key = digest(shared.key.encode(), *(part for name in sorted(files) for part in (name.encode(), files[name])))
    out.mkdir(parents=True, exist_ok=True)
    with bootstrap.alone(out / f"{service}.lock"):
        return fresh(out, service, key) or make(service, target, out, files, shared, key)


def sources(service: str, root: Path = ROOT) -> dict[str, Path]:
    """The files of the service and of the chassis, by their names in the zip."""
    folders = [root / "services" / "chassis", root / "services" / service]
    paths = [root / "services" / "__init__.py", *(path for folder in folders for path in folder.rglob("*"))]
    names = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
    return {name: path for name, path in names.items() if "__pycache__" not in name and "/." not in name}


def checked(certificates: Path) -> bytes:
    """Certificates that Python can read, or a Problem."""
    try:
        ssl.create_default_context(cafile=str(certificates))
    except (OSError, ssl.SSLError) as error:
        raise Problem(f"{certificates} holds no certificates: {error}.") from None
    return certificates.read_bytes()


def fresh(out: Path, service: str, key: str) -> Bundle | None:
    """What is there already, if it was made of the same."""
    path = out / f"{service}.zip"
    try:
        known = json.loads(path.with_suffix(".json").read_text())
        unchanged = known["inputs"] == key and sha256(path.read_bytes()).hexdigest() == known["sha256"]
    except (OSError, ValueError, KeyError):
        return None
    return Bundle(path, known["size"], known["modules"], known["sha256"]) if unchanged else None


def make(service: str, target: Target, out: Path, files: dict[str, bytes], shared: Packages, key: str) -> Bundle:
    with tempfile.TemporaryDirectory(prefix=".new-", dir=out) as temporary:
        tree, path = Path(temporary) / "tree", Path(temporary) / f"{service}.zip"
        for name, content in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(content)
        compile_all(tree, target, sources=True)
        own = archive.below(tree)
        inspection.check(own, target, forbidden=(Path(temporary),))
        modules = modules_of(service, [tree, shared.tree], target)
        shutil.copyfile(shared.archive, path)
        archive.write(path, own, append=True)
        size, digest_ = path.stat().st_size, sha256(path.read_bytes()).hexdigest()
        if size > inspection.LARGEST:
            raise Problem(
                f"{service}.zip is {size / 1e6:.1f} MB; more than {inspection.LARGEST / 1e6:.0f} is too slow."
            )
        bundle = Bundle(out / path.name, size, modules, digest_)
        bundle.path.with_suffix(".json").write_text(manifest(service, target, bundle, path, key))
        path.rename(bundle.path)
    return bundle


def modules_of(service: str, folders: list[Path], target: Target) -> int | None:
    handler = f"services.{service}.lambda_handler.handler"
    return inspection.modules_of(handler, folders, target) if target.runs_here else None


def manifest(service: str, target: Target, bundle: Bundle, path: Path, key: str) -> str:
    listing = archive.listing(path)
    facts = {
        "service": service,
        "sha256": bundle.sha256,
        "size": bundle.size,
        "modules": bundle.modules,
        "python": full_version(target.interpreter()).split()[0],
        "architecture": target.architecture,
        "platform": "this machine" if target.native else "AWS Lambda",
        "certificates": CERTIFICATES in {name for name, *_ in listing},
        "files": len(listing),
        "content": sha256(json.dumps(listing).encode()).hexdigest(),  # the same whoever compressed it
        "inputs": key,
    }
    return json.dumps(facts, indent=2) + "\n"


def arguments(parser: argparse.ArgumentParser) -> None:
    names = [service.name for service in SERVICES]
    parser.add_argument("--service", action="append", choices=names, help="may be repeated (default: all of them)")
    parser.add_argument("--env", default="dev", choices=sorted(ENVIRONMENTS), help="what is deployed (default: dev)")
    parser.add_argument("--python", metavar="X.Y", help="default: that of the environment")
    parser.add_argument("--architecture", choices=sorted(LINUX), help="default: that of the environment")
    parser.add_argument(
        "--here", action="store_true", help="for this interpreter and this machine, as the twin runs it"
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help=f"certificates of RDS, which become {CERTIFICATES}")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: .local/build/lambda")


def run(options: argparse.Namespace) -> int:
    terminal, target = Terminal(), chosen(options)
    with terminal.step(f"packages for {target}") as step:
        step.detail = f"{packages(target).archive.stat().st_size / 1e6:.2f} MB"
    for service in options.service or [service.name for service in SERVICES]:
        with terminal.step(f"{service}.zip") as step:
            bundle = build(service, target, options.out, certificates=options.ca)
            modules = "" if bundle.modules is None else f"{bundle.modules} modules, "
            step.detail = f"{bundle.size / 1e6:.2f} MB, {modules}sha256 {bundle.sha256}"
    terminal.say(f"In {options.out}, with a manifest of each.")
    if options.ca is None and not target.native:
        terminal.say(
            f"There is no {CERTIFICATES} in them: the templates tell the functions to check the database's certificate"
            f" against it, and they will not start without. --ca FILE adds the bundle that AWS publishes for RDS."
        )
    return 0


def chosen(options: argparse.Namespace) -> Target:
    if options.here:
        return Target.here()
    deployed = environment(options.env)
    return Target(options.python or deployed.functions.python, options.architecture or deployed.size.architecture)
