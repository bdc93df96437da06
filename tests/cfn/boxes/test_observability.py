"""What is watched, who hears of it, and what it is called."""

import json
import re
from typing import Any

from services.chassis.sampling import Sampler, read_rules
from tests.cfn.rendered import Key, Rendered, Resource

ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


def series(alarm: Resource) -> list[tuple[str, str, dict[str, Any]]]:
    """Namespace, metric and dimensions of whatever the alarm looks at."""
    metrics = [entry["MetricStat"]["Metric"] for entry in alarm.properties.get("Metrics", ()) if "MetricStat" in entry]
    return [
        (one["Namespace"], one["MetricName"], {entry["Name"]: entry["Value"] for entry in one["Dimensions"]})
        for one in metrics or [alarm.properties]
    ]


def test_every_alarm_says_when_it_begins_and_when_it_is_over(deployment: Rendered) -> None:
    for alarm in deployment.resources(*ALARMS):
        if alarm.key in windows(deployment):
            assert alarm["AlarmActions"] == alarm["OKActions"] == []
            continue
        for actions in (alarm["AlarmActions"], alarm["OKActions"]):
            topic = "MailTopic" if alarm.stack == "ops" else "AlarmTopic"  # not by the way that may be broken
            assert deployment.all_of(alarm.stack, actions) == {("bootstrap", topic)}


def windows(deployment: Rendered) -> set[Key]:
    """Alarms on one window of a budget, for which a composite alarm speaks."""
    burns = [one for one in deployment.resources("AWS::CloudWatch::CompositeAlarm") if one.stack == "objectives"]
    return {deployment.leads_to(one.stack, part) for one in burns for part in one["AlarmRule"]["Fn::Sub"][1].values()}


def test_every_alarm_says_why_and_whose_it_is(deployment: Rendered) -> None:
    for alarm in deployment.resources(*ALARMS):
        assert len(alarm["AlarmDescription"]) > 20
        assert alarm["AlarmName"].startswith(f"tandem-{deployment.environment.name}-")


def test_names_of_alarms_are_unique(deployment: Rendered) -> None:
    found = [alarm["AlarmName"] for alarm in deployment.resources(*ALARMS)]
    assert len(set(found)) == len(found)


def test_every_alarm_decides_what_silence_means(deployment: Rendered) -> None:
    alarms = deployment.resources("AWS::CloudWatch::Alarm")
    missing = {alarm["AlarmName"].split("-", 2)[2]: alarm["TreatMissingData"] for alarm in alarms}
    services = [service.name for service in deployment.environment.services]
    breaching = {name for name, meaning in missing.items() if meaning == "breaching"}
    storage = {name for name in missing if name.endswith("free-storage-space")}
    gone = {"ops-reconcile-silent", "database-gone"}
    assert breaching == {f"{service}-no-healthy-host" for service in services} | storage | gone
    assert set(missing.values()) == {"breaching", "notBreaching"}


def test_each_service_is_watched_on_both_runtimes(deployment: Rendered) -> None:
    alarms = deployment.resources("AWS::CloudWatch::Alarm")
    for service in deployment.environment.services:
        metrics = {metric for alarm in alarms if alarm.stack == service.name for _, metric, _ in series(alarm)}
        assert metrics == {
            "HTTPCode_Target_5XX_Count",
            "HealthyHostCount",
            "RequestCount",
            "TargetResponseTime",
            "UnHealthyHostCount",
        }
        function = f"{service.name.capitalize()}Function"
        watched = {
            metric
            for alarm in alarms
            for namespace, metric, dimensions in series(alarm)
            if namespace == "AWS/Lambda" and dimensions == {"FunctionName": {"Ref": function}}
        }
        assert watched == {"Errors", "Throttles"}


def test_load_balancer_and_target_group_are_named_as_metrics_know_them(deployment: Rendered) -> None:
    """By the full name: an ARN is accepted, matches nothing, and stays green for ever."""
    found = 0
    for alarm in deployment.resources("AWS::CloudWatch::Alarm"):
        for _, _, dimensions in series(alarm):
            for name in {"LoadBalancer", "TargetGroup"} & dimensions.keys():
                value = dimensions[name]
                export = value.get("Fn::ImportValue")
                _, own = deployment.exports[export] if export else (alarm.stack, value)
                assert own["Fn::GetAtt"][1] == f"{name}FullName"
                found += 1
    assert found > 20


def test_database_balancer_edge_and_ways_out_are_watched(prod: Rendered) -> None:
    found = {
        (namespace, metric)
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        for namespace, metric, _ in series(alarm)
    }
    assert found >= {
        ("AWS/RDS", "CPUUtilization"),
        ("AWS/RDS", "DatabaseConnections"),
        ("AWS/RDS", "FreeStorageSpace"),
        ("AWS/RDS", "FreeableMemory"),
        ("AWS/RDS", "ReplicaLag"),
        ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"),
        ("AWS/CloudFront", "5xxErrorRate"),
        ("AWS/NATGateway", "ErrorPortAllocation"),
    }


def test_the_shop_is_down_when_both_runtimes_of_a_service_are(deployment: Rendered) -> None:
    found = deployment.resources("AWS::CloudWatch::CompositeAlarm")
    composites = {one.title: one for one in found if one.stack == "watch"}
    services = [service.name.capitalize() for service in deployment.environment.services]
    assert set(composites) == {"ShopDown", *(f"{service}Down" for service in services)}
    for service in services:
        text, names = composites[f"{service}Down"]["AlarmRule"]["Fn::Sub"]
        assert text == 'ALARM("${Alone}") AND ALARM("${Failing}")'
        assert deployment.leads_to("watch", names["Alone"]) == (service.lower(), f"{service}NoHealthyHostAlarm")
        assert deployment.leads_to("watch", names["Failing"]) == ("fallback", f"{service}FunctionErrorsAlarm")
    assert composites["ShopDown"]["AlarmRule"]["Fn::Sub"][0].count(" OR ") == len(services) - 1


def test_the_topic_is_for_cloudwatch_and_the_database_to_write_and_for_authorized_people_to_read(
    deployment: Rendered,
) -> None:
    topic = deployment.titled("bootstrap", "AlarmTopic")
    assert deployment.leads_to("bootstrap", topic["KmsMasterKeyId"]) == ("bootstrap", "Key")
    publish, tls = deployment.titled("bootstrap", "AlarmTopicPolicy")["PolicyDocument"]["Statement"]
    assert publish["Principal"] == {"Service": ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"]}
    assert publish["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert tls["Effect"] == "Deny"
    assert listening(deployment, "AlarmTopic") == [*mail(deployment), "lambda", "lambda"]


def test_alarms_about_the_way_to_slack_reach_people_and_nobody_else(deployment: Rendered) -> None:
    publish, _ = deployment.titled("bootstrap", "MailTopicPolicy")["PolicyDocument"]["Statement"]
    assert publish["Principal"] == {"Service": ["cloudwatch.amazonaws.com"]}
    assert listening(deployment, "MailTopic") == mail(deployment)


def mail(deployment: Rendered) -> list[str]:
    return ["email"] * len(deployment.environment.site.emails)


def listening(deployment: Rendered, topic: str) -> list[str]:
    subscriptions = deployment.resources("AWS::SNS::Subscription")
    return [
        one["Protocol"]
        for one in subscriptions
        if deployment.leads_to(one.stack, one["TopicArn"]) == ("bootstrap", topic)
    ]


def test_the_database_tells_of_its_failures(deployment: Rendered) -> None:
    events = deployment.only("AWS::RDS::EventSubscription")
    assert deployment.leads_to("data", events["SnsTopicArn"]) == ("bootstrap", "AlarmTopic")
    assert {"availability", "failover", "failure"} <= set(events["EventCategories"])


def test_the_dashboard_is_json_in_which_every_name_is_given(deployment: Rendered) -> None:
    text, values = deployment.only("AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Sub"]
    named = set(re.findall(r"\$\{([^}]+)\}", text))
    assert named == {*values, "AWS::Region"}
    widgets = json.loads(text)["widgets"]
    places = {(one["x"], one["y"]) for one in widgets}
    assert len(places) == len(widgets)
    assert [one["properties"]["markdown"].splitlines()[0] for one in widgets if one["type"] == "text"] == [
        "## Does the shop sell?",
        "## How well?",
        "## How fast?",
        "## On which runtime?",
        "## What runs out next?",
        "## What does it cost?",
    ]


def test_traces_are_sampled_by_rules_that_the_services_understand(deployment: Rendered) -> None:
    for function in deployment.resources("AWS::Lambda::Function"):
        if "TRACE_SAMPLING" in function.body["Properties"].get("Environment", {}).get("Variables", {}):
            rules = read_rules(function["Environment"]["Variables"]["TRACE_SAMPLING"])
            assert rules[-1].path == "*"
            assert 0 < rules[-1].rate < 1
            assert Sampler(rules, chance=lambda: 0.4).keeps("POST", "/orders/17/cancel")
    assert deployment.only("AWS::XRay::Group")["FilterExpression"]
    assert not deployment.resources("AWS::XRay::SamplingRule"), "nobody asks AWS for rules"


def test_containers_are_measured_where_the_environment_wants_it(dev: Rendered, prod: Rendered, lean: Rendered) -> None:
    values = {"dev": "enabled", "prod": "enhanced", "lean": "disabled"}
    for deployment in (dev, prod, lean):
        (setting,) = deployment.titled("platform", "Cluster")["ClusterSettings"]
        assert setting == {"Name": "containerInsights", "Value": values[deployment.environment.name]}
