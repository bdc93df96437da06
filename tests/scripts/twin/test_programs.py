"""From the deployment to what runs here: commands, settings, ports, and the table of stand-ins."""

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cfn.environments import SERVICES
from scripts.terminal import Problem
from scripts.twin import keys
from scripts.twin.deployment.values import Deployment, Function, Settings, Task
from scripts.twin.keys import Keys
from scripts.twin.lambda_runtime import read
from scripts.twin.programs import Ports, for_datagrams, lambda_service, load_balancer, placed, task, vacant
from scripts.twin.stand_ins import ADDED, AS_GIVEN, STAND_INS
from services.chassis.settings import Settings as Known
from tests.scripts.twin.deployments import local

ADMIN_URL = "postgresql://shop:secret@127.0.0.1:5/shop"
PORTS = Ports(
    shop=8080,
    control=8081,
    origin=8082,
    lambda_service=8083,
    alarms=8084,
    traces=8085,
    services={service.name: 9000 + index for index, service in enumerate(SERVICES)},
)


@pytest.fixture(scope="module")
def secrets() -> Keys:
    return keys.new_keys()


def with_task(changed: Task) -> Deployment:
    return replace(local(), tasks=tuple(changed if one.service == changed.service else one for one in local().tasks))


def with_setting(key: str, value: str, *, remote: bool = False) -> Deployment:
    known = local().task("product")
    values = {**known.settings.values, key: value}
    return with_task(replace(known, settings=Settings(values=values, remote=frozenset({key} if remote else ()))))


# --- tasks ----------------------------------------------------------------------------------------------------------


def test_a_task_runs_the_command_and_is_asked_for_its_health_as_the_template_says(secrets: Keys) -> None:
    known = replace(local().task("product"), command=("python", "-m", "other", "app"), health_path="/up")
    program = task(with_task(known), "product", PORTS, ADMIN_URL, secrets)
    assert program.command == [sys.executable, "-m", "other", "app", "--host", "127.0.0.1", "--lame-duck", "0"]
    assert (program.name, program.port, program.health_path) == ("product", 9000, "/up")


def test_a_command_that_is_no_python_is_a_problem(secrets: Keys) -> None:
    known = replace(local().task("product"), command=("gunicorn", "app"))
    with pytest.raises(Problem, match="runs gunicorn app, which is no Python here"):
        task(with_task(known), "product", PORTS, ADMIN_URL, secrets)


def test_settings_are_the_templates_save_for_what_cannot_be_here(secrets: Keys) -> None:
    environment = task(local(), "product", PORTS, ADMIN_URL, secrets).environment
    given = local().task("product").settings.values
    for key in AS_GIVEN:
        assert environment[key] == given[key], key
    assert environment["DATABASE_URL"] == f"postgresql://product_svc:{secrets.passwords['product']}@127.0.0.1:5/shop"
    assert not [
        key for key in environment if key.startswith("DATABASE_") and key not in {"DATABASE_URL", "DATABASE_POOL"}
    ]
    assert environment["UPSTREAM_URL"] == "http://127.0.0.1:8082", "not the front door: the services know the secret"
    assert environment["ORIGIN_SECRET"] == secrets.origin
    assert (environment["SERVED_BY"], environment["PORT"], environment["SEED_DEMO"]) == ("local", "9000", "false")
    assert "DATABASE_URL" not in task(local(), "frontend", PORTS, ADMIN_URL, secrets).environment
    assert environment["AWS_XRAY_DAEMON_ADDRESS"] == "127.0.0.1:8085"
    assert "TRACE_SAMPLING" not in environment, "without rules all traces are kept"


def test_the_services_understand_what_they_get(secrets: Keys) -> None:
    for service in SERVICES:
        known = Known.from_env(service.name, task(local(), service.name, PORTS, ADMIN_URL, secrets).environment)
        assert (known.environment, known.served_by, known.background) == ("local", "local", True)
        assert known.origin_secret == secrets.origin


def test_a_setting_that_the_table_does_not_know_stops_the_start(secrets: Keys) -> None:
    with pytest.raises(Problem, match=r"gives the task of product a CACHE_URL; .* does not say what it is"):
        task(with_setting("CACHE_URL", "redis://cache"), "product", PORTS, ADMIN_URL, secrets)


def test_a_setting_that_became_something_only_aws_has_stops_the_start(secrets: Keys) -> None:
    with pytest.raises(Problem, match="a VERSION that only AWS has"):
        task(with_setting("VERSION", "stack/Thing.Arn", remote=True), "product", PORTS, ADMIN_URL, secrets)


def test_the_table_names_no_key_twice_none_that_no_template_has_and_a_reason_for_each() -> None:
    described: list[Task | Function] = [*local().tasks, *local().functions]
    given = {key for one in described for key in one.settings.values}
    assert not set(AS_GIVEN) & set(STAND_INS)
    assert set(AS_GIVEN) | set(STAND_INS) == given
    reasons = [
        *AS_GIVEN.values(),
        *(one.reason for one in STAND_INS.values()),
        *(added.reason for added in ADDED.values()),
    ]
    assert all(len(reason) > 10 for reason in reasons)


# --- functions ------------------------------------------------------------------------------------------------------


def test_functions_are_described_to_the_lambda_service_as_the_template_has_them(secrets: Keys, tmp_path: Path) -> None:
    program = lambda_service(local(), PORTS, ADMIN_URL, secrets, tmp_path / "functions.json")
    assert (program.port, program.health_path) == (8083, "/healthz")
    assert (tmp_path / "functions.json").stat().st_mode & 0o777 == 0o600
    found = read(tmp_path / "functions.json")
    assert [function.name for function in found] == [f"tandem-local-{service.name}" for service in SERVICES]
    product = found[0]
    assert (product.service, product.handler) == ("product", "services.product.lambda_handler.handler")
    assert (product.zip, product.timeout, product.memory, product.concurrency) == (None, 28, 1024, 10)
    assert product.environment["SERVED_BY"] == "lambda"
    assert (product.environment["BACKGROUND"], product.environment["DATABASE_POOL"]) == ("false", "1")
    assert product.environment["UPSTREAM_URL"] == "http://127.0.0.1:8082"
    assert product.environment["AWS_XRAY_DAEMON_ADDRESS"] == "127.0.0.1:8085", "Lambda gives it by itself"
    assert "arn:" not in json.dumps(dict(product.environment))


# --- ports ----------------------------------------------------------------------------------------------------------


def test_services_have_their_own_ports_and_the_rest_stands_beside_the_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.twin.programs.busy", lambda _: False)
    ports = placed(local(), 8080, anywhere=False)
    assert ports.services == {service.name: service.port for service in SERVICES}
    assert (ports.control, ports.origin, ports.lambda_service) == (8081, 8082, 8083)
    assert ports.status_url == "http://127.0.0.1:8081/status"
    crowded = placed(local(), 7999, anywhere=False)
    assert len({7999, *crowded.services.values(), crowded.control, crowded.origin, crowded.lambda_service}) == 7


def test_a_taken_port_beside_the_shop_is_no_problem_and_that_of_a_service_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.twin.programs.busy", lambda port: port == 8081)
    assert placed(local(), 8080, anywhere=False).control != 8081
    monkeypatch.setattr("scripts.twin.programs.busy", lambda port: port == 8000)
    with pytest.raises(Problem, match="Port 8000 of product is in use; --free-ports lets the services move"):
        placed(local(), 8080, anywhere=False)
    assert placed(local(), 8080, anywhere=True, only=["order"]).services.keys() == {"order"}


def test_traces_go_where_agents_listen_unless_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert for_datagrams(port) not in {0, port}
    assert for_datagrams(port) == port
    monkeypatch.setattr("scripts.twin.programs.TRACES", port)
    monkeypatch.setattr("scripts.twin.programs.busy", lambda _: False)
    assert placed(local(), 8080, anywhere=False).traces == port
    assert placed(local(), 8080, anywhere=True).traces != port


def test_the_shops_own_port_must_be_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Problem, match="choose another with --port"):
        vacant(taken.getsockname()[1])


def test_the_load_balancer_is_told_everything_on_its_command_line() -> None:
    program = load_balancer(PORTS, Path("/somewhere/deployment.json"), Path("/somewhere/logs"))
    assert program.port == PORTS.control
    for option in (
        "--port=8080",
        "--origin-port=8082",
        "--control-port=8081",
        "--deployment=/somewhere/deployment.json",
        "--functions=http://127.0.0.1:8083",
        "--traces-port=8085",
        "--logs=/somewhere/logs",
        "--target=order=127.0.0.1:9001",
    ):
        assert option in program.command
