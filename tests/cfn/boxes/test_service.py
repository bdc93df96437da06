"""The services on Fargate and on Lambda, and the rules that lead to them. Every figure comes from the one table."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from cfn.environments import SERVICES, Service
from services.chassis import server
from tests.cfn.rendered import Rendered, attributes

SECRETS = {
    "ADMIN_KEYS": "AdminKeys",
    "ORIGIN_SECRET": "OriginSecret",
    "SERVICE_KEYS": "ServiceKeys",
    "SESSION_KEYS": "SessionKeys",
}
LOGIN = {"DATABASE_PASSWORD", "DATABASE_USER"}


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    chosen: Service = request.param
    return chosen


def containers(deployment: Rendered, service: Service) -> dict[str, dict[str, Any]]:
    definition = deployment.titled(service.name, "TaskDefinition")
    return {one["Name"]: one for one in definition["ContainerDefinitions"]}


def plain(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["Name"]: entry["Value"] for entry in container["Environment"]}


def secret(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["Name"]: entry["ValueFrom"] for entry in container.get("Secrets", ())}


def test_container_target_group_and_service_agree_on_the_port(deployment: Rendered, service: Service) -> None:
    main = containers(deployment, service)[service.name]
    running = deployment.titled(service.name, "Service")
    group = deployment.titled(service.name, "TargetGroup")
    assert [mapping["ContainerPort"] for mapping in main["PortMappings"]] == [service.port]
    assert running["LoadBalancers"] == [
        {"ContainerName": service.name, "ContainerPort": service.port, "TargetGroupArn": {"Ref": "TargetGroup"}}
    ]
    assert (group["Port"], group["TargetType"]) == (service.port, "ip")
    assert (group["HealthCheckPath"], group["Matcher"]) == (service.health_path, {"HttpCode": "200"})
    assert plain(main)["PORT"] == str(service.port)
    assert f":{service.port}{service.health_path}'" in main["HealthCheck"]["Command"][-1]
    assert main["Command"] == ["python", "-m", "services.chassis.server", service.app]


def listener_rules(deployment: Rendered) -> list[tuple[int, str, list[str]]]:
    rules = deployment.resources("AWS::ElasticLoadBalancingV2::ListenerRule")
    return sorted(
        (rule["Priority"], rule.stack, rule["Conditions"][0]["PathPatternConfig"]["Values"]) for rule in rules
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/products", "product"),
        ("/products/7", "product"),
        ("/orders", "order"),
        ("/orders/7/cancel", "order"),
        ("/", "frontend"),
        ("/productsale", "frontend"),
        ("/api/products", "frontend"),
    ],
)
def test_the_first_rule_that_matches_is_the_one_that_is_meant(deployment: Rendered, path: str, expected: str) -> None:
    rules = listener_rules(deployment)
    matching = [stack for _, stack, patterns in rules if any(fnmatchcase(path, pattern) for pattern in patterns)]
    assert matching[0] == expected
    assert len({priority for priority, _, _ in rules}) == len(rules) == 3


def test_each_rule_shares_between_containers_and_functions_by_parameters(
    deployment: Rendered, service: Service
) -> None:
    rule = deployment.titled(service.name, "Rule")
    (action,) = rule["Actions"]
    groups = action["ForwardConfig"]["TargetGroups"]
    kinds = [
        deployment.titled(*deployment.leads_to(service.name, one["TargetGroupArn"]))["TargetType"] for one in groups
    ]
    assert kinds == ["ip", "lambda"]
    assert [one["Weight"] for one in groups] == [{"Ref": "FargateWeight"}, {"Ref": "LambdaWeight"}]
    parameters = deployment.templates[service.name]["Parameters"]
    assert [parameters[name]["Default"] for name in ("FargateWeight", "LambdaWeight")] == [100, 0]
    assert all(
        (parameters[one]["MinValue"], parameters[one]["MaxValue"]) == (0, 999) for one in parameters if "Weight" in one
    )


def test_each_rule_asks_for_the_secret_that_cloudfront_sends(deployment: Rendered, service: Service) -> None:
    condition = deployment.titled(service.name, "Rule")["Conditions"][1]["HttpHeaderConfig"]
    (value,) = condition["Values"]
    origin = deployment.only("AWS::CloudFront::Distribution")["DistributionConfig"]["Origins"][0]
    (header,) = origin["OriginCustomHeaders"]
    assert condition["HttpHeaderName"] == header["HeaderName"]
    assert value == header["HeaderValue"]
    assert value["Fn::Sub"][0] == "{{resolve:secretsmanager:${Secret}:SecretString}}"
    assert deployment.leads_to(service.name, value) == ("data", "OriginSecret")


def test_the_service_waits_for_its_rule(deployment: Rendered, service: Service) -> None:
    assert deployment.titled(service.name, "Service").body["DependsOn"] == ["Rule"]


def test_a_bad_deployment_is_rolled_back(deployment: Rendered, service: Service) -> None:
    deployed = deployment.titled(service.name, "Service")["DeploymentConfiguration"]
    assert deployed["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (deployed["MinimumHealthyPercent"], deployed["MaximumPercent"]) == (100, 200)
    assert deployed["Alarms"]["Rollback"] is True
    watched = {one["Ref"] for one in deployed["Alarms"]["AlarmNames"]}
    name = service.name.capitalize()
    assert watched == {f"{name}ErrorsAlarm", f"{name}LatencyAlarm"}
    assert watched <= deployment.templates[service.name]["Resources"].keys()


def test_starting_takes_less_than_the_grace_and_stopping_less_than_the_timeout(dev: Rendered, service: Service) -> None:
    main = containers(dev, service)[service.name]
    assert dev.titled(service.name, "Service")["HealthCheckGracePeriodSeconds"] > main["HealthCheck"]["StartPeriod"]
    assert main["StopTimeout"] > server.LAME_DUCK + server.GRACE
    idle = attributes(dev.titled("platform", "LoadBalancer")["LoadBalancerAttributes"])["idle_timeout.timeout_seconds"]
    assert int(idle) < server.KEEP_ALIVE


def test_no_task_has_a_public_address_where_there_is_nat(deployment: Rendered, service: Service) -> None:
    place = deployment.titled(service.name, "Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    public = deployment.environment.addresses.nat == "none"
    tier = "Public" if public else "Private"
    assert place["AssignPublicIp"] == ("ENABLED" if public else "DISABLED")
    assert deployment.all_of(service.name, place["Subnets"]) == {
        ("network", f"{tier}Subnet{number}") for number in (1, 2, 3)
    }
    assert deployment.all_of(service.name, place["SecurityGroups"]) == {("network", "TasksGroup")}


def test_migrations_come_first_and_have_to_succeed(deployment: Rendered, service: Service) -> None:
    found = containers(deployment, service)
    main = found[service.name]
    assert main["Essential"] is True
    assert found["agent"]["Essential"] is False
    if not service.database:
        assert "migrate" not in found
        return
    assert main["DependsOn"] == [{"ContainerName": "migrate", "Condition": "SUCCESS"}]
    assert found["migrate"]["Image"] == main["Image"]
    assert found["migrate"]["Essential"] is False
    own = f"{service.name.capitalize()}RoleSecret"
    assert {key: deployment.leads_to(service.name, value)[1] for key, value in secret(found["migrate"]).items()} == {
        "ADMIN_DATABASE_PASSWORD": "AdminSecret",
        "ADMIN_DATABASE_USER": "AdminSecret",
        "DATABASE_PASSWORD": own,
        "DATABASE_USER": own,
    }


def test_only_the_migration_gets_the_administrators_password(deployment: Rendered, service: Service) -> None:
    for name, container in containers(deployment, service).items():
        admin = [key for key in secret(container) if key.startswith("ADMIN_DATABASE")]
        assert bool(admin) is (name == "migrate")


def test_secrets_come_by_reference_only(deployment: Rendered, service: Service) -> None:
    main = containers(deployment, service)[service.name]
    expected = set(SECRETS) | (LOGIN if service.database else set())
    assert expected <= set(secret(main)) <= expected | {"CACHE_TOKEN"}
    for key, title in SECRETS.items():
        assert deployment.leads_to(service.name, secret(main)[key]) == ("data", title)
    words = ("PASSWORD", "SECRET", "TOKEN", "KEYS")
    for container in containers(deployment, service).values():
        assert not [key for key in plain(container) if any(word in key for word in words)]


def test_every_service_reads_its_own_role_and_no_other(deployment: Rendered, service: Service) -> None:
    if service.database:
        password = secret(containers(deployment, service)[service.name])["DATABASE_PASSWORD"]
        assert password["Fn::Sub"][0] == "${Secret}:password::"
        assert deployment.leads_to(service.name, password) == ("data", f"{service.name.capitalize()}RoleSecret")
    role = deployment.titled(service.name, "ExecutionRole")
    (reading,) = [one for one in role["Policies"][0]["PolicyDocument"]["Statement"] if one["Sid"] == "ReadOwnSecrets"]
    readable = {title for _, title in deployment.all_of(service.name, reading["Resource"])}
    others = {f"{other.name.capitalize()}RoleSecret" for other in SERVICES if other != service}
    assert not readable & others
    assert ("AdminSecret" in readable) is service.database


def test_tasks_cannot_write_where_they_stand(deployment: Rendered, service: Service) -> None:
    for container in containers(deployment, service).values():
        assert container["ReadonlyRootFilesystem"] is True
        assert container["LogConfiguration"]["LogDriver"] == "awslogs"
        assert not container.get("Privileged")


def test_the_agent_takes_traces_where_the_service_sends_them(deployment: Rendered, service: Service) -> None:
    found = containers(deployment, service)
    address = plain(found[service.name])["AWS_XRAY_DAEMON_ADDRESS"]
    assert f'"bind_address":"{address}"' in plain(found["agent"])["CW_CONFIG_CONTENT"]


def test_calls_between_services_go_through_the_load_balancer(deployment: Rendered, service: Service) -> None:
    upstream = plain(containers(deployment, service)[service.name])["UPSTREAM_URL"]
    stack, url = deployment.exports[upstream["Fn::ImportValue"]]
    balancer = {"Fn::GetAtt": ["LoadBalancer", "DNSName"]}
    if deployment.environment.site.domain:
        assert url == {"Fn::Sub": "https://origin.${DomainName}"}
        record = deployment.titled(stack, "OriginRecord")
        assert record["Name"] == {"Fn::Sub": "origin.${DomainName}"}
        assert record["AliasTarget"]["DNSName"] == balancer
    else:
        assert url == {"Fn::Sub": ["http://${Name}", {"Name": balancer}]}
    assert stack == "platform"


def test_scaling_follows_processor_memory_and_requests(deployment: Rendered, service: Service) -> None:
    target = deployment.titled(service.name, "ScalableTarget")
    assert target["MinCapacity"] < target["MaxCapacity"]
    assert "DesiredCount" not in deployment.titled(service.name, "Service").properties
    policies = [
        one["TargetTrackingScalingPolicyConfiguration"]
        for one in deployment.resources("AWS::ApplicationAutoScaling::ScalingPolicy")
        if one.stack == service.name
    ]
    assert {one["PredefinedMetricSpecification"]["PredefinedMetricType"] for one in policies} == {
        "ALBRequestCountPerTarget",
        "ECSServiceAverageCPUUtilization",
        "ECSServiceAverageMemoryUtilization",
    }
    assert all(one["ScaleInCooldown"] >= one["ScaleOutCooldown"] for one in policies)


def test_production_has_two_tasks_of_each_service_on_demand(prod: Rendered, service: Service) -> None:
    assert prod.titled(service.name, "ScalableTarget")["MinCapacity"] == 2
    strategy = prod.titled(service.name, "Service")["CapacityProviderStrategy"]
    assert {one["CapacityProvider"]: one["Base"] for one in strategy} == {"FARGATE": 2, "FARGATE_SPOT": 0}


def test_the_function_is_the_same_service(deployment: Rendered, service: Service) -> None:
    function = deployment.titled("fallback", f"{service.name.capitalize()}Function")
    variables = function["Environment"]["Variables"]
    main = containers(deployment, service)[service.name]
    assert set(plain(main)) | set(secret(main)) == set(variables) | {"AWS_XRAY_DAEMON_ADDRESS"}
    for key, value in secret(main).items():
        assert deployment.leads_to(service.name, value) == deployment.leads_to("fallback", variables[key])
    assert function["Handler"] == f"services.{service.name}.lambda_handler.handler"
    assert (variables["SERVED_BY"], plain(main)["SERVED_BY"]) == ("lambda", "fargate")
    assert (variables["BACKGROUND"], variables["DATABASE_POOL"]) == ("false", "1")


def test_the_function_stands_where_the_tasks_stand_and_ends_before_the_load_balancer(
    deployment: Rendered, service: Service
) -> None:
    function = deployment.titled("fallback", f"{service.name.capitalize()}Function")
    place = function["VpcConfig"]
    assert deployment.all_of("fallback", place["SecurityGroupIds"]) == {("network", "TasksGroup")}
    assert all("PrivateSubnet" in title for _, title in deployment.all_of("fallback", place["SubnetIds"]))
    balancer = deployment.titled("platform", "LoadBalancer")
    idle = attributes(balancer["LoadBalancerAttributes"])["idle_timeout.timeout_seconds"]
    assert function["Timeout"] < int(idle)
    assert function["ReservedConcurrentExecutions"] > 0
    assert set(function["Code"]) == {"S3Bucket", "S3Key"}
    platform = deployment.titled(service.name, "TaskDefinition")["RuntimePlatform"]["CpuArchitecture"]
    assert [platform.lower()] == function["Architectures"]


def test_only_our_load_balancer_may_call_the_function_and_may_before_it_is_attached(
    deployment: Rendered, service: Service
) -> None:
    name = service.name.capitalize()
    group = deployment.titled("fallback", f"{name}FunctionGroup")
    permission = deployment.titled("fallback", f"{name}Permission")
    assert group.body["DependsOn"] == [permission.title]
    assert permission["Principal"] == "elasticloadbalancing.amazonaws.com"
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert f":targetgroup/{group['Name']}/" in permission["SourceArn"]["Fn::Sub"]
    assert attributes(group["TargetGroupAttributes"]) == {"lambda.multi_value_headers.enabled": "true"}
    assert len(group["Name"]) <= 32


def test_the_function_does_a_round_of_background_work_a_minute_where_there_is_any(
    deployment: Rendered, service: Service
) -> None:
    name = service.name.capitalize()
    titles = {one.title for one in deployment.resources() if one.stack == "fallback"}
    assert (f"{name}Schedule" in titles) == service.background
    if not service.background:
        return
    schedule = deployment.titled("fallback", f"{name}Schedule")
    (target,) = schedule["Targets"]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert json.loads(target["Input"]) == {"run": "background"}
    assert deployment.leads_to("fallback", target["Arn"]) == ("fallback", f"{name}Function")
    permission = deployment.titled("fallback", f"{name}SchedulePermission")
    assert permission["Principal"] == "events.amazonaws.com"
    assert deployment.leads_to("fallback", permission["SourceArn"]) == schedule.key


def test_a_round_that_failed_is_left_to_the_next_one(deployment: Rendered, service: Service) -> None:
    if service.background:
        name = service.name.capitalize()
        (target,) = deployment.titled("fallback", f"{name}Schedule")["Targets"]
        for tries in (target["RetryPolicy"], deployment.titled("fallback", f"{name}Retries")):
            assert (tries["MaximumRetryAttempts"], tries["MaximumEventAgeInSeconds"]) == (0, 60)
