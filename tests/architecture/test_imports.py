"""The arrows of the design: who may import whom, read from the import statements themselves."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("product", "order", "frontend")
CHASSIS = "services.chassis"

# Below the doors: what a use case may stand on. FastAPI and Starlette begin above this line.
BELOW = (
    "settings",
    "errors",
    "logs",
    "metrics",
    "connection",
    "database",
    "upstream",
    "auth",
    "migrations",
    "limits",
    "seals",
    "session",
    "tracing",
)
INSIDE = (
    "alb",
    "chores",
    "client",
    "datagrams",
    "redaction",
    "sampling",
    "secrets",
    "trace_header",
    "xray",
)  # below the doors too, and no use case's business
DOORS = ("web", "requests", "problems", "guard", "callers", "fields", "server", "serverless")

# role → what it may import: names of its own service, chassis modules, third-party packages.
ROLES: dict[str, tuple[set[str], set[str], set[str]]] = {
    "model": ({"model"}, {"errors"}, set()),
    "store": ({"model"}, {"connection", "errors", "migrations"}, set()),
    "catalog": ({"model"}, {*BELOW}, set()),
    "calls": (set(), {*BELOW}, set()),
    "shelf": (set(), set(), set()),
    "latency": (set(), set(), set()),
    "weights": (set(), {*BELOW}, set()),
    "assets": (set(), set(), set()),
    "backends": ({"calls", "shelf", "latency", "schemas"}, {*BELOW}, {"pydantic"}),
    "metrics": (set(), {"metrics"}, set()),
    "schemas": ({"schemas", "model"}, {"fields"}, {"pydantic"}),
    "service": ({"model", "store", "catalog", "backends", "calls", "weights", "metrics"}, {*BELOW}, set()),
    "lambda_handler": ({"main"}, {"serverless"}, set()),
}
# The HTTP side of a service: what knows the framework.
HTTP = {"routes", "main", "pages", "forwarding", "proxy", "visitors"}

# Each third-party library has one module in the chassis that imports it; the doors share the framework.
ONE_IMPORTER = {
    "jinja2": {"templates"},
    "pg8000": {"session"},
    "aiohttp": {"client"},
    "yarl": {"client"},
    "mangum": {"serverless"},
    "aws_lambda_powertools": {"secrets"},
    "aws_xray_sdk": {"xray"},
    "botocore": {"secrets"},
    "uvicorn": {"server"},
    "pydantic": {"fields"},
    "pydantic_core": {"fields", "datagrams"},
    "fastapi": {"web", "requests", "callers"},
    "starlette": {"web", "requests", "problems", "guard", "server", "serverless"},
}
BUSINESS_NOUNS = re.compile(
    r"\b(product|order|stock|reservation|catalogue?|cart|price|shop_?keeper)s?\b", re.IGNORECASE
)


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, dotted; `from a import b` counts as `a.b` when that is a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            for alias in node.names:
                target = ROOT / node.module.replace(".", "/") / alias.name
                is_module = target.is_dir() or target.with_suffix(".py").exists()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def third_party(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in {"services", "cfn", "scripts", "chalice_app", "tests"}


def role(path: Path) -> str:
    """`services/order/store/changes.py` and `services/order/store.py` are both the store."""
    return path.relative_to(ROOT).with_suffix("").parts[2]


def service_modules() -> list[Path]:
    return [path for service in SERVICES for path in modules(f"services/{service}")]


@pytest.mark.parametrize("path", service_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_service_module_imports_only_what_its_role_may(path: Path) -> None:
    service, name = path.relative_to(ROOT).parts[1], role(path)
    for imported in imports(path):
        parts = imported.split(".")
        if parts[0] in {"cfn", "scripts", "chalice_app", "tests"}:
            pytest.fail(f"a service imports {imported}")
        if parts[0] == "services" and len(parts) > 1:
            assert parts[1] in {service, "chassis"}, f"services meet over HTTP, not in {imported}"
        if name not in ROLES:
            continue
        own, chassis, packages = ROLES[name]
        if parts[:2] == ["services", service]:
            assert len(parts) == 2 or parts[2] in own | {name}, f"{name} imports {imported}"
        elif parts[:2] == ["services", "chassis"]:
            assert len(parts) == 2 or parts[2] in chassis, f"{name} imports {imported}"
        elif third_party(imported):
            assert parts[0] in packages, f"{name} imports {imported}"


@pytest.mark.parametrize("path", service_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_routes_and_main_know_the_framework(path: Path) -> None:
    if role(path) in HTTP:
        return
    assert not {"fastapi", "starlette", "uvicorn", "pg8000", "aiohttp"} & {
        name.partition(".")[0] for name in imports(path)
    }


@pytest.mark.parametrize("path", modules("services/chassis"), ids=lambda path: path.name)
def test_the_chassis_imports_no_service_and_each_library_in_one_place(path: Path) -> None:
    for imported in imports(path):
        parts = imported.split(".")
        if parts[0] == "services":
            assert len(parts) == 1 or parts[1] == "chassis", imported
        elif third_party(imported):
            assert path.stem in ONE_IMPORTER.get(parts[0], set()), f"{path.stem} imports {imported}"
        if path.stem in (*BELOW, *INSIDE) and parts[:2] == ["services", "chassis"] and len(parts) > 2:
            assert parts[2] not in DOORS, f"{path.stem} is below the doors and imports {imported}"


@pytest.mark.parametrize("path", modules("services/chassis"), ids=lambda path: path.name)
def test_no_business_noun_in_the_code_of_the_chassis(path: Path) -> None:
    names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    names |= {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
    assert [name for name in names if BUSINESS_NOUNS.fullmatch(name)] == []


@pytest.mark.parametrize(
    "path",
    [*modules("services"), *modules("cfn"), *modules("chalice_app/chalicelib")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_importing_a_module_does_nothing(path: Path) -> None:
    """No statement at the top of a module calls for its effect; the Lambda handlers are the exception by design."""
    if path.stem in {"lambda_handler", "__main__"}:
        return
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), f"{path.name}:{node.lineno} acts on import"


# The operations app is packed alone. Its handlers know Chalice, three modules Powertools, and one makes AWS's clients.
OPERATIONS = {
    "chalice": {"app"},
    "aws_lambda_powertools": {"telemetry", "ledger", "wiring"},
    "boto3": {"wiring"},
    "botocore": {"wiring"},
}


@pytest.mark.parametrize("path", modules("chalice_app"), ids=lambda path: path.name)
def test_the_operations_app_imports_nothing_that_is_not_packed_with_it(path: Path) -> None:
    for imported in imports(path):
        top = imported.partition(".")[0]
        if top in OPERATIONS:
            assert path.stem in OPERATIONS[top], f"{path.stem} imports {imported}"
        elif top not in sys.stdlib_module_names:
            assert top == "chalicelib", f"{path.stem} imports {imported}"


def test_infrastructure_does_not_import_services_and_services_do_not_import_it() -> None:
    for path in modules("cfn"):
        assert not [name for name in imports(path) if name.startswith(("services", "scripts", "boto3", "botocore"))], (
            path
        )
