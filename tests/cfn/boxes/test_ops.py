"""The operations app in the templates: what its functions are told, read as the app itself reads it."""

import json
from typing import Any

import pytest

from cfn.doctor.expectations import ENVIRONMENTS
from cfn.doctor.graph import World
from cfn.doctor.values import Call, Pseudo, Reference, Text, Unknown
from cfn.operations import HANDLERS
from chalicelib.config import Config
from chalicelib.logs import rules_of
from tests.cfn.doctor.deployments import stacks_of
from tests.cfn.rendered import Rendered

SETTINGS_LIMIT = 4096  # bytes of a function's settings: "Lambda quotas"
PLACES = {"AWS::AccountId": "123456789012", "AWS::Partition": "aws", "AWS::Region": "us-east-1"}
# As long as ARNs of load balancers get.
RULE = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/tandem-dev/{0}/{0}/{0}-{1}"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tandem-dev-{1}/{0}"
ID = "0123456789abcdef"


def told(deployment: Rendered) -> dict[str, dict[str, str]]:
    """What CloudFormation would put into the environment of each handler."""
    name = deployment.environment.name
    world = World(stacks_of(deployment), ENVIRONMENTS.get(name, ENVIRONMENTS["lean"]))
    return {
        str(function.get("Handler")): {
            key: filled(world, value) for key, value in function.get("Environment", "Variables").items()
        }
        for function in world.of("AWS::Lambda::Function")
        if function.stack.endswith("-ops")
    }


def filled(world: World, value: Any) -> str:
    if isinstance(value, Text):
        return "".join(filled(world, part) for part in value.parts)
    if isinstance(value, Reference):
        return identity(world, value)
    assert not isinstance(value, Call | Unknown)
    return PLACES[value.name] if isinstance(value, Pseudo) else str(value)


def identity(world: World, reference: Reference) -> str:
    """What Ref of it gives."""
    resource = world.at(reference)
    assert resource is not None
    service = resource.stack.rpartition("-")[2]
    if resource.type == "AWS::ElasticLoadBalancingV2::ListenerRule":
        return RULE.format(ID, service)
    if resource.type == "AWS::ElasticLoadBalancingV2::TargetGroup":
        return GROUP.format(ID, resource.get("Name").removeprefix("tandem-"))
    if resource.type == "AWS::SecretsManager::Secret":
        return f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{resource.name}-{ID}"
    named = resource.get("AlarmName") or resource.get("FunctionName")
    return str(named or f"{resource.stack}-{resource.name}-{ID}")


@pytest.fixture
def configs(deployment: Rendered) -> dict[str, Config]:
    return {entry: Config.from_env(settings) for entry, settings in told(deployment).items()}


def test_the_app_can_read_what_it_is_told(deployment: Rendered, configs: dict[str, Config]) -> None:
    assert set(configs) == {handler.entry for handler in HANDLERS}
    for config in configs.values():
        assert config.environment == deployment.environment.name
        assert config.slack_secret.startswith("arn:aws:secretsmanager:")
        assert set(config.routes) == {"default", "critical"}
        assert config.routes["critical"].mention == "<!here>"
        assert config.runbooks.startswith("https://")


def test_settings_fit_into_what_lambda_takes(deployment: Rendered) -> None:
    for settings in told(deployment).values():
        assert sum(len(key) + len(value) for key, value in settings.items()) < SETTINGS_LIMIT


@pytest.mark.parametrize("handler", ["app.failover", "app.reconcile"])
def test_who_moves_services_knows_both_runtimes_of_each(
    handler: str, deployment: Rendered, configs: dict[str, Config]
) -> None:
    environment = deployment.environment
    assert set(configs[handler].failover) == {service.name for service in environment.services}
    for name, one in configs[handler].failover.items():
        own = f"tandem-{environment.name}-{name}"
        assert one.rules == (RULE.format(ID, name),)
        assert (one.fargate.split("/")[1], one.fallback.split("/")[1]) == tuple(
            GROUP.format(ID, group.removeprefix("tandem-")).split("/")[1] for group in (own, f"{own}-lambda")
        )
        assert one.function == own
        assert one.alarms == (f"{own}-no-healthy-host", f"{own}-errors")
        assert one.database_alarms == tuple(
            f"tandem-{environment.name}-database-{what}"
            for what in ("cpuutilization", "free-storage-space", "freeable-memory", "database-connections", "gone")
        )


def test_clean_ups_know_their_names_and_delete_nothing_by_themselves(
    deployment: Rendered, configs: dict[str, Config]
) -> None:
    name = f"tandem-{deployment.environment.name}"
    for handler in ("app.clean_images", "app.clean_logs"):
        cleanup = configs[handler].cleanup
        assert cleanup.repositories == tuple(f"{name}/{service.name}" for service in deployment.environment.services)
        assert cleanup.log_prefixes == (f"{name}-", f"/aws/lambda/{name}-")
        assert cleanup.delete is False
        assert rules_of(cleanup).days == deployment.environment.log_days


def test_the_parameter_that_lets_clean_ups_delete_is_a_boolean_to_the_app(dev: Rendered) -> None:
    stacks = stacks_of(dev)
    (ops,) = (stack for stack in stacks if stack.name.endswith("-ops"))
    ops.parameters = {**ops.parameters, "CleanUpsDelete": "true"}
    world = World(stacks, ENVIRONMENTS["dev"])
    texts = [f.get("Environment", "Variables", "CLEANUP") for f in world.of("AWS::Lambda::Function")]
    assert [json.loads(text)["delete"] for text in texts if text] == [True, True]


def test_moves_are_taken_one_at_a_time(deployment: Rendered) -> None:
    for title in ("FailoverFunction", "ReconcileFunction"):
        assert deployment.titled("ops", title)["ReservedConcurrentExecutions"] == 1


def test_each_alarm_of_the_app_names_what_is_there(deployment: Rendered) -> None:
    alarms = {one["AlarmName"].split("-", 2)[2]: one for one in deployment.resources("AWS::CloudWatch::Alarm")}
    own = {name for name, alarm in alarms.items() if alarm.stack == "ops"}
    errors = {f"ops-{handler.name.replace('_', '-')}-errors" for handler in HANDLERS}
    assert own == errors | {"ops-failed", "ops-unheard", "ops-slack", "ops-reconcile-silent"}
    dimensions = {entry["Name"]: entry["Value"] for entry in alarms["ops-slack"]["Dimensions"]}
    assert dimensions == {"service": "operations", "environment": deployment.environment.name}
