"""What each rule makes of its resource."""

from dataclasses import replace
from typing import Any

import pytest

from cfn.costs.estimate import Estimate
from cfn.costs.table import Unpriced
from cfn.environments import ENVIRONMENTS
from cfn.values import Weights
from scripts.places import ROOT
from tests.cfn.costs.small import costs, priced, quantities, resource, small

DEV = ENVIRONMENTS["dev"]
DATABASE = resource("RDS::DBInstance", DBInstanceClass="db.t4g.small", AllocatedStorage="50", StorageType="gp3")
TASK = resource("ECS::TaskDefinition", Cpu="1024", Memory="2048", ContainerDefinitions=[])
HOUR_OF_CPU, HOUR_OF_GB = 0.04048, 0.004445


def ecs(strategy: list[dict[str, Any]], least: int = 4, most: int = 10, **given: float) -> Estimate:
    service = resource("ECS::Service", TaskDefinition={"Ref": "Task"}, CapacityProviderStrategy=strategy)
    target = resource(
        "ApplicationAutoScaling::ScalableTarget",
        MinCapacity=least,
        MaxCapacity=most,
        ResourceId={"Fn::Sub": "service/c/${Service.Name}"},
    )
    return small({"Task": TASK, "Service": service, "Target": target}, **given)


def test_tasks_cost_their_cpu_and_memory() -> None:
    found = costs(ecs([{"CapacityProvider": "FARGATE", "Weight": 1}]), "Service")
    assert found == {
        "cpu on demand": pytest.approx(4 * 730 * HOUR_OF_CPU),
        "memory on demand": pytest.approx(4 * 2 * 730 * HOUR_OF_GB),
    }


def test_beyond_the_base_tasks_are_shared_out_by_weight_and_spot_is_cheaper() -> None:
    strategy = [
        {"CapacityProvider": "FARGATE", "Base": 2, "Weight": 1},
        {"CapacityProvider": "FARGATE_SPOT", "Weight": 1},
    ]
    found = costs(ecs(strategy, spot_discount=0.75), "Service")
    assert found["cpu on demand"] == pytest.approx(3 * 730 * HOUR_OF_CPU)
    assert found["cpu on Spot"] == pytest.approx(1 * 730 * HOUR_OF_CPU * 0.25)


def test_all_tasks_may_run_on_spot() -> None:
    found = costs(ecs([{"CapacityProvider": "FARGATE_SPOT", "Base": 1, "Weight": 1}], spot_discount=0.5), "Service")
    assert found["cpu on Spot"] == pytest.approx(4 * 730 * HOUR_OF_CPU / 2)
    assert "cpu on demand" not in found


def test_how_far_services_are_scaled_out_is_assumed() -> None:
    found = costs(ecs([{"CapacityProvider": "FARGATE", "Weight": 1}], scale_out=0.5), "Service")
    assert found["cpu on demand"] == pytest.approx(7 * 730 * HOUR_OF_CPU)


def test_arm_is_priced_as_arm() -> None:
    task = resource("ECS::TaskDefinition", Cpu="1024", Memory="2048", RuntimePlatform={"CpuArchitecture": "ARM64"})
    service = resource("ECS::Service", TaskDefinition={"Ref": "Task"}, DesiredCount=2)
    assert costs(small({"Task": task, "Service": service}), "Service")["cpu on demand"] == pytest.approx(
        2 * 730 * 0.03238
    )


def test_tasks_with_public_addresses_pay_for_these() -> None:
    lean = priced(ENVIRONMENTS["lean"])
    addresses = [line for line in lean.lines if line.item.group == "ipv4"]
    assert [line.usd for line in addresses] == [pytest.approx(3.65)] * 3
    assert {line.type for line in addresses} == {"AWS::ECS::Service"}


def test_a_size_that_is_not_known_before_deployment_is_an_error() -> None:
    task = resource("ECS::TaskDefinition", Cpu={"Ref": "Cpu"}, Memory="1024")
    service = resource("ECS::Service", TaskDefinition={"Ref": "Task"})
    with pytest.raises(Unpriced, match="one/Task has no known Cpu"):
        small({"Task": task, "Service": service}, {"Cpu": {"Type": "String"}})


def test_a_parameter_counts_with_its_default() -> None:
    database = {**DATABASE, "Properties": {**DATABASE["Properties"], "DBInstanceClass": {"Ref": "Class"}}}
    found = small({"Database": database}, {"Class": {"Type": "String", "Default": "db.t4g.micro"}})
    assert costs(found, "Database")["instance"] == pytest.approx(11.68)


def test_multi_az_doubles_instance_and_storage() -> None:
    double = {**DATABASE, "Properties": {**DATABASE["Properties"], "MultiAZ": True}}
    one, two = (costs(small({"Database": database}), "Database") for database in (DATABASE, double))
    assert one["instance"] == pytest.approx(0.032 * 730)
    assert one["storage"] == pytest.approx(50 * 0.115)
    assert two["instance"] == pytest.approx(2 * one["instance"])
    assert two["storage"] == pytest.approx(2 * one["storage"])


def test_a_replica_has_the_storage_of_its_source() -> None:
    replica = resource("RDS::DBInstance", DBInstanceClass="db.t4g.micro", SourceDBInstanceIdentifier={"Ref": "Source"})
    found = costs(small({"Source": DATABASE, "Replica": replica}), "Replica")
    assert found["storage"] == pytest.approx(50 * 0.115)
    assert "backups beyond the database's size" not in found


def test_enhanced_monitoring_is_a_log() -> None:
    watched = {**DATABASE, "Properties": {**DATABASE["Properties"], "MonitoringInterval": 15}}
    assert quantities(small({"Database": watched}, monitoring_kb=10), "Database")["Enhanced Monitoring"] == (
        pytest.approx(730 * 240 * 10 / 1e6)
    )


def test_a_database_class_without_a_price_is_an_error() -> None:
    other = {**DATABASE, "Properties": {**DATABASE["Properties"], "DBInstanceClass": "db.x9.huge"}}
    with pytest.raises(Unpriced, match=r"no price for rds\.db\.x9\.huge"):
        small({"Database": other})


def test_each_nat_gateway_pays_its_hours_and_together_they_pay_the_data_once() -> None:
    single = priced(DEV)
    three = priced(replace(DEV, addresses=replace(DEV.addresses, nat="per-zone")))
    hours, data = ("hours", "data processed")
    bills = [costs(three, f"Nat{number}") for number in (1, 2, 3)]
    assert sum(bill[hours] for bill in bills) == pytest.approx(3 * 32.85)
    assert sum(bill[data] for bill in bills) == pytest.approx(costs(single, "Nat1")[data])
    assert "to the only NAT gateway" in costs(single, "Nat1")
    assert not any("to the only NAT gateway" in bill for bill in bills)


def test_calls_between_services_take_the_nat_only_when_the_load_balancer_is_public() -> None:
    hidden = priced(replace(DEV, edge="vpc-origin"))
    through = quantities(priced(DEV), "Nat1")["data processed"] - quantities(hidden, "Nat1")["data processed"]
    assert through == pytest.approx(3.5 * 22)  # million calls of so many KB
    assert hidden.group("ipv4") == pytest.approx(3.65)


def test_the_load_balancer_pays_for_its_busiest_dimension() -> None:
    by_bytes = quantities(priced(DEV, requests_per_connection=1000), "LoadBalancer")["capacity units"]
    assert by_bytes == pytest.approx(2 * 3.5 * 22)  # GB, of which a unit takes one an hour
    by_connections = quantities(priced(DEV, requests_per_connection=1, response_kb=0, internal_kb=0), "LoadBalancer")
    assert by_connections["capacity units"] == pytest.approx(7e6 / 3600 / 25)


def test_gateway_endpoints_are_free_and_interface_endpoints_pay_in_each_zone() -> None:
    gateway = resource("EC2::VPCEndpoint", VpcEndpointType="Gateway")
    interface = resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"])
    found = small({"S3": gateway, "Secrets": interface})
    assert [one.name for one in found.free] == ["S3"]
    assert costs(found, "Secrets")["hours in each zone"] == pytest.approx(14.60)


def test_functions_answer_as_long_as_a_failover_lasts() -> None:
    found = quantities(priced(DEV, failover_hours=73), "OrderFunction")
    assert found["requests"] == pytest.approx(7 / 3 / 10)
    assert found["time × memory"] == pytest.approx(7e6 / 3 / 10 * 0.06)


def test_a_weight_in_the_templates_moves_requests_and_logs_to_the_functions() -> None:
    shared = replace(DEV, weights=Weights(fargate=50, fallback=50))
    found = priced(shared, failover_hours=0)
    assert quantities(found, "ProductFunction")["requests"] == pytest.approx(7 / 3 / 2)
    functions = quantities(found, "FrontendFunctionLog")["ingestion: function"]
    assert functions == pytest.approx(quantities(found, "FrontendLog")["ingestion: service"])


def test_a_fallback_at_rest_costs_its_rounds_of_background_work() -> None:
    found = priced(DEV, failover_hours=0)
    rounds = 730 * 60
    assert quantities(found, "OrderFunction") == pytest.approx(
        {
            "requests": 0,
            "time × memory": 0,
            "requests of background work": rounds / 1e6,
            "time × memory of background work": rounds * 0.06,
        }
    )
    assert quantities(found, "OrderFunctionLog")["ingestion: function"] == pytest.approx(rounds / 1e6)
    assert not any(quantities(found, "FrontendFunction").values())
    assert 0 < found.group("fallback") < 0.2


def test_a_function_for_deployments_only_is_not_charged_for_requests() -> None:
    assert quantities(priced(DEV, failover_hours=730), "DefaultGroupFunction") == {"requests (at deployments only)": 0}


def test_an_alarm_pays_for_each_metric_it_watches_and_for_being_fast() -> None:
    def query(period: int) -> dict[str, Any]:
        return {"MetricStat": {"Period": period}}

    found = small(
        {
            "Plain": resource("CloudWatch::Alarm", MetricName="Errors", Period=60),
            "Fast": resource("CloudWatch::Alarm", MetricName="Errors", Period=10),
            "Ratio": resource("CloudWatch::Alarm", Metrics=[query(60), query(60), {"Expression": "a/b"}]),
            "Any": resource("CloudWatch::CompositeAlarm"),
        }
    )
    assert [line.usd for line in found.lines] == [pytest.approx(usd) for usd in (0.10, 0.30, 0.20, 0.50)]


def test_target_tracking_makes_alarms_and_step_scaling_does_not() -> None:
    found = small(
        {
            "Track": resource("ApplicationAutoScaling::ScalingPolicy", PolicyType="TargetTrackingScaling"),
            "Step": resource("ApplicationAutoScaling::ScalingPolicy", PolicyType="StepScaling"),
        }
    )
    assert costs(found, "Track") == {"alarms that target tracking makes": pytest.approx(0.20)}
    assert costs(found, "Step") == {}


def test_container_insights_pays_by_metric_and_not_at_all_when_disabled() -> None:
    counts = {
        mode: quantities(priced(replace(DEV, insights=mode)), "Cluster") for mode in ("disabled", "enabled", "enhanced")
    }
    assert counts["disabled"] == {}
    assert counts["enabled"]["metrics"] == 8 + 3 * (11 + 6)
    # Cluster; services and task definitions; tasks with the container that serves and its agent. Migrations are over.
    assert counts["enhanced"]["metrics"] == 15 * (1 + 2 * 3 + 3 * (1 + 2))
    assert priced(replace(DEV, insights="disabled")).group("insights") == 0


def test_logs_are_stored_compressed_for_as_long_as_they_are_kept() -> None:
    found = quantities(priced(DEV, failover_hours=0, log_compression=0.5), "OrderLog")
    assert found["ingestion: service"] == pytest.approx(7 * 0.8 / 3)
    assert found["storage: service"] == pytest.approx(7 * 0.8 / 3 * 0.5 * 7 * 12 / 365)


def test_traces_follow_the_sampling_rules() -> None:
    traces = quantities(priced(DEV, order_share=0.1), "TraceGroup")
    assert traces["traces recorded: /orders*"] == pytest.approx(3.5 * 0.1), "the reservoir takes all"
    kept = 0.02 * 3 * 730 * 3600 / 1e6
    assert traces["traces recorded: the rest"] == pytest.approx(kept + (3.5 * 0.9 - kept) * 0.05)
    many = quantities(priced(DEV, order_share=0.1, requests=350), "TraceGroup")
    kept = 730 * 3600 / 1e6
    assert many["traces recorded: /orders*"] == pytest.approx(kept + (24.5 - kept) * 0.5)


def test_a_repository_keeps_no_more_images_than_its_rule_lets_it() -> None:
    assert quantities(priced(DEV, images_kept=5), "OrderRepository").popitem()[1] == pytest.approx(5 * 0.12)
    assert quantities(priced(DEV, images_kept=500), "OrderRepository").popitem()[1] == pytest.approx(30 * 0.12)


def test_a_bucket_of_access_logs_holds_what_its_writer_writes() -> None:
    found = priced(DEV)
    kept = 90 * 12 / 365
    assert quantities(found, "AccessLogs")["access log of the load balancer"] == pytest.approx(7 * 0.1 * kept)
    assert quantities(found, "CdnLogs")["access log of CloudFront"] == pytest.approx(5 * 0.1 * kept)
    assert quantities(found, "Artifacts") == {"artifacts": 1}


def test_the_zone_of_several_names_is_paid_once() -> None:
    zones = [line for line in priced(DEV).lines if line.price.unit == "zone-month"]
    assert len(zones) == 1


def test_the_firewall_pays_for_itself_its_rules_and_every_request() -> None:
    assert costs(priced(DEV), "WebAcl") == {"web ACL": 5, "rules and managed groups": 4, "requests": pytest.approx(3)}


def test_without_visitors_what_remains_is_there_for_the_hours() -> None:
    idle = priced(DEV, requests=0)
    assert idle.group("fargate") == priced(DEV).group("fargate")
    assert idle.group("transfer") == idle.group("cdn") == 0
    assert idle.group("nat") == pytest.approx(32.85 + 9 * 0.045)


def test_a_cache_pays_for_each_node() -> None:
    assert costs(priced(ENVIRONMENTS["prod"]), "Cache") == {"nodes": pytest.approx(2 * 730 * 0.0128)}


def test_a_public_load_balancer_has_an_address_in_each_zone() -> None:
    assert costs(priced(DEV), "LoadBalancer")["one address in each zone"] == pytest.approx(10.95)


def test_cloudfront_pays_for_requests_and_for_what_it_sends() -> None:
    found = costs(priced(DEV, requests=20, response_kb=50), "Distribution")
    assert found == {"data to visitors": pytest.approx(1000 * 0.085), "requests": pytest.approx(20)}


def test_two_thirds_of_what_the_database_answers_cross_a_zone() -> None:
    found = quantities(priced(DEV, database_kb=3), "Database")
    assert found["between services and the database"] == pytest.approx(7 * 3 * 2 / 3)


def test_performance_records_are_a_log_of_every_minute_of_every_task() -> None:
    found = quantities(priced(DEV, insights_kb=10), "InsightsLog")
    assert found["ingestion: performance records"] == pytest.approx(3 * 730 * 60 * 10 / 1e6)


def test_a_failover_takes_the_rest_of_what_the_weights_leave() -> None:
    shared = replace(DEV, weights=Weights(fargate=75, fallback=25))
    found = quantities(priced(shared, failover_hours=73), "OrderFunction")
    assert found["requests"] == pytest.approx(7 / 3 * (0.1 + 0.9 * 0.25))


def test_metrics_of_our_own_are_paid_for_every_value_of_their_dimensions() -> None:
    """Of the order service: nine names without a dimension of their own, two by route, one by step, three by reason."""
    given: dict[str, float] = {"routes": 5, "reasons": 3, "steps": 2}
    found = priced(DEV, **given)
    counted = {
        line.resource: line.item.quantity for line in found.lines if line.item.what == "metrics written as log lines"
    }
    assert counted["OrderLog"] == 11 + 2 * 5 + 2 + 3 * 3
    assert counted["ProductLog"] == 8 + 2 * 5 + 2
    assert counted["FrontendLog"] == 3 + 2 * 5
    assert counted["ReconcileLog"] == 3 + 1 + 1, "of the operations app, and of each service whether it has moved"
    assert set(counted) == {"OrderLog", "ProductLog", "FrontendLog", "ReconcileLog"}


def test_what_alarms_and_metrics_cost_is_said_where_they_are_decided() -> None:
    text = (ROOT / "docs" / "decisions" / "0014-budgets-burn-in-two-windows.md").read_text()
    found = priced(DEV)
    assert f"${found.group('metrics'):.2f}" in text
    composites = [line for line in found.lines if line.type == "AWS::CloudWatch::CompositeAlarm"]
    assert len([line for line in composites if "Burn" in line.resource]) == 2 * len(DEV.objectives)
