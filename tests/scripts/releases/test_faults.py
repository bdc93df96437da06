"""Faults planted in a release, one at a time: each is refused at its step, before anything has been touched."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cfn.environments import Environment, environment
from cfn.stacks import Stack, render
from cfn.values import BadValue, Site, Weights
from scripts.releases.asked import Asked
from scripts.releases.live import Live
from scripts.releases.preflight import problems
from scripts.releases.release import Plan
from scripts.releases.traffic import Traffic

DEV = replace(
    environment("dev"),
    version="v1",
    site=Site(
        domain="shop.faults.test",
        certificate="12345678-0000-4000-8000-000000000000",
        zone="Z0123456789FAULTS",
        emails=("alarms@faults.test",),
        repository="faults/tandem",
    ),
)
Bodies = dict[str, Any]
Plant = Callable[[Bodies], None]


@functools.cache
def rendered() -> tuple[Stack, ...]:
    return render(DEV)


def planted(plant: Plant) -> list[Stack]:
    stacks = rendered()
    bodies = {stack.row.name: json.loads(stack.body) for stack in stacks}
    plant(bodies)
    return [replace(stack, body=json.dumps(bodies[stack.row.name])) for stack in stacks]


def container(bodies: Bodies, name: str) -> Any:
    definitions = bodies[name]["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    return next(one for one in definitions if one["Name"] == name)


def wrong_port(bodies: Bodies) -> None:
    container(bodies, "product")["PortMappings"][0]["ContainerPort"] = 8005


def wrong_container(bodies: Bodies) -> None:
    bodies["order"]["Resources"]["Service"]["Properties"]["LoadBalancers"][0]["ContainerName"] = "orders"


def missing_permission(bodies: Bodies) -> None:
    del bodies["fallback"]["Resources"]["OrderPermission"]
    del bodies["fallback"]["Resources"]["OrderFunctionGroup"]["DependsOn"]


def same_priority(bodies: Bodies) -> None:
    bodies["order"]["Resources"]["Rule"]["Properties"]["Priority"] = 10


def missing_secret(bodies: Bodies) -> None:
    secrets = container(bodies, "order")["Secrets"]
    secrets[:] = [one for one in secrets if one["Name"] != "SESSION_KEYS"]


def dangling_secret(bodies: Bodies) -> None:
    for one in container(bodies, "order")["Secrets"]:
        if one["Name"] == "SESSION_KEYS":
            one["ValueFrom"] = {"Fn::ImportValue": "tandem-dev-data:KeysForgotten"}


def no_weights(bodies: Bodies) -> None:
    for name in ("FargateWeight", "LambdaWeight"):
        bodies["product"]["Parameters"][name]["Default"] = 0


def too_big(bodies: Bodies) -> None:
    bodies["ops"]["Metadata"] = {"padding": "x" * 51_200}


FAULTS: dict[str, tuple[Plant, str]] = {
    "wrong port": (wrong_port, "tandem-dev-product/TaskDefinition: .*8005|tandem-dev-product/Service: .*8000"),
    "wrong container": (wrong_container, "tandem-dev-order/Service: .*orders"),
    "missing permission": (missing_permission, "tandem-dev-fallback/OrderFunctionGroup: .*permission|invoke"),
    "same priority twice": (same_priority, "tandem-dev-(product|order)/Rule: .*10"),
    "missing secret": (missing_secret, "tandem-dev-order/.*SESSION_KEYS"),
    "secret that is not there": (dangling_secret, "tandem-dev-order.*KeysForgotten"),
    "no weight at all": (no_weights, "tandem-dev-product/Rule: .*0"),
    "stack too big": (too_big, "tandem-dev-ops has .* bytes; CloudFormation takes less than 51200"),
}


def test_without_a_fault_nothing_is_refused() -> None:
    assert list(problems(DEV, planted(lambda _: None))) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_template_is_named_with_its_place(fault: str) -> None:
    plant, words = FAULTS[fault]
    found = list(problems(DEV, planted(plant)))
    assert [sentence for sentence in found if re.search(words, sentence)], found


def test_a_migration_that_breaks_the_code_before_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "services" / "product" / "sql"
    folder.mkdir(parents=True)
    (folder / "0004_image.sql").write_text("ALTER TABLE product DROP COLUMN image")
    (sentence,) = problems(DEV, planted(lambda _: None), root=tmp_path)
    assert sentence.startswith("product/sql/0004_image.sql breaks the code that runs meanwhile")


def test_weights_that_send_requests_nowhere_cannot_even_be_written() -> None:
    with pytest.raises(BadValue, match="send its requests nowhere"):
        Weights(fargate=0, fallback=0)


def test_the_values_of_the_example_are_not_deployed() -> None:
    (sentence,) = problems(environment("dev"), render(replace(environment("dev"), version="v1")))
    assert "still has the example's domain, certificate, zone, repository, email" in sentence


# --- against what is deployed ---------------------------------------------------------------------------------------


def live(stacks: Sequence[Stack]) -> dict[str, Live | None]:
    return {
        stack.name: Live(
            name=stack.name,
            id=stack.name,
            status="UPDATE_COMPLETE",
            reason="",
            protected=False,
            parameters=stack.parameters,
            outputs={},
            template=json.loads(stack.body),
        )
        for stack in stacks
    }


def refusals(
    plant: Plant, *, moving: dict[str, Traffic] | None = None, environment: Environment = DEV, **asked: Any
) -> list[str]:
    return list(
        Plan(
            asked=Asked(environment=environment, **asked),
            live=live(rendered()),
            moving=moving or {},
            stacks=planted(plant),
        ).refusals
    )


def renamed(bodies: Bodies) -> None:
    bodies["data"]["Resources"]["Database"]["Properties"]["DBInstanceIdentifier"] = "another"


def dropped(bodies: Bodies) -> None:
    del bodies["data"]["Resources"]["AdminSecret"]


def without_export(bodies: Bodies) -> None:
    del bodies["data"]["Outputs"]["DataHost"]
    for name, body in bodies.items():  # nothing that is rendered reads it any more
        bodies[name] = json.loads(json.dumps(body).replace('{"Fn::ImportValue": "tandem-dev-data:DataHost"}', '"db"'))


def larger(bodies: Bodies) -> None:
    bodies["data"]["Resources"]["Database"]["Properties"]["AllocatedStorage"] = "40"


def test_a_database_that_would_be_replaced_is_refused_unless_it_is_named() -> None:
    (sentence,) = refusals(renamed)
    assert sentence.startswith("This would replace Database (AWS::RDS::DBInstance) of tandem-dev-data because of")
    assert refusals(renamed, allowed=frozenset({"Database"})) == []
    assert refusals(larger) == []


def test_a_secret_that_would_go_is_refused_even_though_it_is_retained() -> None:
    (sentence,) = refusals(dropped)
    assert "This would delete AdminSecret (AWS::SecretsManager::Secret)" in sentence


def test_an_export_that_deployed_stacks_read_is_not_taken_away() -> None:
    (sentence,) = refusals(without_export)
    assert "tandem-dev-data would no longer export tandem-dev-data:DataHost" in sentence
    assert "tandem-dev-fallback and tandem-dev-product and tandem-dev-order as deployed now still reads" in sentence


@pytest.mark.parametrize("moved", [Traffic("order", 0, 100, ""), Traffic("order", 100, 0, "lambda")])
def test_nothing_is_deployed_while_functions_answer_unless_somebody_says_so(moved: Traffic) -> None:
    (sentence,) = refusals(lambda _: None, moving={"order": moved})
    assert sentence.startswith("The functions answer for order")
    assert refusals(lambda _: None, moving={"order": moved}, while_failed_over=True) == []


def test_a_share_for_the_functions_is_no_failover() -> None:
    assert refusals(lambda _: None, moving={"order": Traffic("order", 90, 10, "fargate")}) == []
