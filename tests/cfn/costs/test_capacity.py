"""What docs/capacity.md says of the environments is what they are."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cfn.boxes.firewall import REQUESTS_PER_ADDRESS
from cfn.costs.table import table
from cfn.costs.usage import assumptions, usage
from cfn.environments import ENVIRONMENTS, RESERVED_CONNECTIONS, Environment
from cfn.operations import HANDLERS
from services.product.model.listing import MAX_LIMIT
from tests.cfn.rendered import Rendered

PAGE = (Path(__file__).parents[3] / "docs" / "capacity.md").read_text()
BUDGET = 0.60
UNRESERVED = 100  # of an account's concurrency, which Lambda keeps for functions without a reservation


def with_database(environment: Environment) -> int:
    return sum(service.database for service in environment.services)


def of_tasks(environment: Environment) -> int:
    return environment.scaling.maximum * environment.database.pool * with_database(environment)


def of_functions(environment: Environment) -> int:
    return environment.functions.concurrency * with_database(environment)


def share(environment: Environment, connections: int) -> str:
    return f"{connections / environment.database.connections:.0%}".replace("%", " %")


def deploying(environment: Environment) -> int:
    return RESERVED_CONNECTIONS + 2 * of_tasks(environment) + of_functions(environment)


def vcpu(environment: Environment) -> float:
    return environment.scaling.maximum * len(environment.services) * environment.size.cpu / 1024


def reserved(environment: Environment) -> int:
    """Of the services, of the operations app, and of the one that empties the default group."""
    own = sum(handler.concurrency for handler in HANDLERS)
    return environment.functions.concurrency * len(environment.services) + own + 1


def average(environment: Environment) -> float:
    return usage(environment.name, {})["requests"] * 1e6 / (table().hours * 3600)


ROWS: dict[str, Callable[[Environment], str]] = {
    "tasks of a service": lambda e: f"{e.scaling.minimum} to {e.scaling.maximum}",
    "size of a task": lambda e: f"{e.size.cpu / 1024:g} vCPU, {e.size.memory / 1024:g} GB",
    "requests a second of a service, all its tasks at the scaling goal": lambda e: (
        f"{e.scaling.maximum * e.scaling.requests / 60:g}"
    ),
    "requests a second of its functions at 60 ms each": lambda e: f"{e.functions.concurrency * 1000 // 60}",
    "average requests a second at CloudFront that `cost` assumes": lambda e: f"{average(e):.1f}",
    "database": lambda e: e.database.instance + (", Multi-AZ" if e.database.multi_az else ""),
    "its `max_connections` by RDS's formula": lambda e: f"{e.database.connections}",
    "connections of all tasks, at most": lambda e: f"{of_tasks(e)}",
    "connections of all functions, at most": lambda e: f"{of_functions(e)}",
    "together, of `max_connections`": lambda e: share(e, of_tasks(e) + of_functions(e)),
    "while every service is deployed at its most tasks": lambda e: share(e, deploying(e)),
    "Fargate vCPU at most, and while deploying": lambda e: f"{vcpu(e):g}, {2 * vcpu(e):g}",
    "reserved Lambda concurrency": lambda e: f"{reserved(e)}",
}


@pytest.mark.parametrize("label", ROWS)
def test_a_row_of_the_table_is_what_the_environments_are(label: str) -> None:
    cells = [label, *(ROWS[label](ENVIRONMENTS[name]) for name in ("dev", "prod", "lean"))]
    assert f"| {' | '.join(cells)} |" in PAGE


def test_the_table_has_no_row_that_nobody_checks() -> None:
    section = PAGE.split("## What each carries (derived)")[1].split("\n\n")[1]
    labels = [line.split("|")[1].strip() for line in section.splitlines()[2:]]
    assert labels == list(ROWS)
    assert section.splitlines()[0] == "| | dev | prod | lean |"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_tasks_and_functions_together_stay_below_the_budget_of_connections(name: str) -> None:
    environment = ENVIRONMENTS[name]
    assert of_tasks(environment) + of_functions(environment) < BUDGET * environment.database.connections


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_deployment_leaves_connections_over(name: str) -> None:
    assert deploying(ENVIRONMENTS[name]) <= ENVIRONMENTS[name].database.connections


def test_the_templates_have_the_pools_tasks_and_concurrency_that_the_budget_counts(deployment: Rendered) -> None:
    """The budget read from what is deployed, and not from the values it was made of."""
    pools = [
        int(next(entry["Value"] for entry in container["Environment"] if entry["Name"] == "DATABASE_POOL"))
        for task in deployment.resources("AWS::ECS::TaskDefinition")
        for container in task["ContainerDefinitions"]
        if "DATABASE_HOST" in json.dumps(container) and "DATABASE_POOL" in json.dumps(container)
    ]
    (most,) = {
        int(target["MaxCapacity"]) for target in deployment.resources("AWS::ApplicationAutoScaling::ScalableTarget")
    }
    functions = [
        function["ReservedConcurrentExecutions"]
        for function in deployment.resources("AWS::Lambda::Function")
        if "DATABASE_HOST" in json.dumps(function.properties)
    ]
    assert most * sum(pools) == of_tasks(deployment.environment)
    assert sum(functions) == of_functions(deployment.environment)
    everyone = deployment.resources("AWS::Lambda::Function")
    assert sum(one["ReservedConcurrentExecutions"] for one in everyone) == reserved(deployment.environment)


def test_the_page_names_the_accounts_concurrency_that_is_needed() -> None:
    needed = {name: reserved(environment) + UNRESERVED for name, environment in ENVIRONMENTS.items()}
    assert needed["dev"] == needed["lean"]
    words = " ".join(PAGE.split())
    assert f"need an account with at least {needed['dev']}, `prod` with {needed['prod']}" in words


def test_the_page_agrees_on_the_rest_that_it_repeats() -> None:
    words = " ".join(PAGE.split())
    assert f"lets one address send {REQUESTS_PER_ADDRESS:,} requests in five minutes" in words
    assert f"{REQUESTS_PER_ADDRESS / 300:.1f} a second" in words
    assert f"Lists are cut at {MAX_LIMIT} items" in words
    assert assumptions()["function_ms"].value == 60
    dev, prod = ENVIRONMENTS["dev"], ENVIRONMENTS["prod"]
    assert f"goal of {dev.scaling.requests:,} requests per task and minute is {dev.scaling.requests / 60:g}" in words
    assert prod.database.storage < 400, "gp3 has other limits from there"
    assert prod.database.replicas
    assert prod.cache
    assert share(dev, of_tasks(dev) + of_functions(dev)) == "45 %"
    assert f"stands at {(of_tasks(dev) + of_functions(dev)) / 80:.0%}".replace("%", " %") in words
