"""Fifty-eight mistakes that people make in such templates, each found by type and relation, never by a logical id.

Sixteen of them a linter of shapes notices, ten a scanner of policies; the last thirty-two no public tool does.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from cfn.doctor.graph import Stack

Resource = dict[str, Any]
FORWARD = "ForwardConfig"


class Templates:
    """A deployment that may be damaged."""

    def __init__(self, stacks: list[Stack]) -> None:
        self.stacks = [Stack(s.name, copy.deepcopy(s.body), s.parameters, s.region) for s in stacks]

    def all(self, kind: str) -> Iterator[tuple[dict[str, Any], Resource]]:
        for stack in self.stacks:
            for resource in stack.body["Resources"].values():
                if resource["Type"] == kind:
                    yield dict(stack.body), resource

    def first(self, kind: str, having: Callable[[dict[str, Any]], object] = lambda _: True) -> dict[str, Any]:
        """The properties of the first of a type that has something."""
        properties: dict[str, Any] = self.resource(kind, having)["Properties"]
        return properties

    def resource(self, kind: str, having: Callable[[dict[str, Any]], object] = lambda _: True) -> Resource:
        return next(r for _, r in self.all(kind) if having(r["Properties"]))

    def drop(self, unwanted: Callable[[dict[str, Any]], object]) -> None:
        """The alarms that are like that."""
        for stack in self.stacks:
            found = stack.body["Resources"]
            alarms = [name for name, one in found.items() if one["Type"] == "AWS::CloudWatch::Alarm"]
            for name in alarms:
                if unwanted(found[name]["Properties"]):
                    del found[name]

    def beside(self, kind: str) -> dict[str, Any]:
        """The template in which the first of a type stands."""
        return next(body for body, _ in self.all(kind))


def service(t: Templates) -> dict[str, Any]:
    return t.first("AWS::ECS::Service")


def task(t: Templates) -> dict[str, Any]:
    return t.first("AWS::ECS::TaskDefinition")


def serving(t: Templates) -> dict[str, Any]:
    name = service(t)["LoadBalancers"][0]["ContainerName"]
    container: dict[str, Any] = next(c for c in task(t)["ContainerDefinitions"] if c["Name"] == name)
    return container


def rule(t: Templates) -> dict[str, Any]:
    return t.first("AWS::ElasticLoadBalancingV2::ListenerRule")


def ip_group(t: Templates) -> dict[str, Any]:
    return t.first("AWS::ElasticLoadBalancingV2::TargetGroup", lambda p: p["TargetType"] == "ip")


def database(t: Templates) -> dict[str, Any]:
    return t.first("AWS::RDS::DBInstance", lambda p: "MasterUserPassword" in p)


def twin(t: Templates) -> dict[str, Any]:
    return t.first("AWS::Lambda::Function", lambda p: "ReservedConcurrentExecutions" in p and "VpcConfig" in p)


def distribution(t: Templates) -> dict[str, Any]:
    found: dict[str, Any] = t.first("AWS::CloudFront::Distribution")["DistributionConfig"]
    return found


def trusted(t: Templates, principal: str) -> dict[str, Any]:
    """The first role that somebody of this kind may take."""
    return t.first("AWS::IAM::Role", lambda p: principal in json.dumps(p["AssumeRolePolicyDocument"]))


def github(t: Templates) -> dict[str, Any]:
    statement = trusted(t, "Federated")["AssumeRolePolicyDocument"]["Statement"][0]
    claims: dict[str, Any] = statement["Condition"]["StringEquals"]
    return claims


def public_subnet(t: Templates) -> Any:
    """A reference to one, as the load balancer has them."""
    return t.first("AWS::ElasticLoadBalancingV2::LoadBalancer")["Subnets"][0]


def alarm(t: Templates) -> dict[str, Any]:
    return t.first("AWS::CloudWatch::Alarm", lambda p: "TargetGroup" in json.dumps(p.get("Dimensions", [])))


def gone(t: Templates) -> dict[str, Any]:
    return t.first(
        "AWS::CloudWatch::Alarm", lambda p: p.get("MetricName") == "DatabaseConnections" and p["Threshold"] == 1
    )


def window(t: Templates) -> dict[str, Any]:
    """The short one of a fast burn."""
    return t.first("AWS::CloudWatch::Alarm", lambda p: not p["AlarmActions"] and p.get("Period") == 300)


def unwatched(metric: str) -> Callable[[Templates], None]:
    return lambda t: t.drop(lambda p: p.get("MetricName") == metric)


def drawn(written: str, other: str) -> Callable[[Templates], None]:
    """The first of this in the body of the dashboard is something else."""

    def change(t: Templates) -> None:
        body = t.first("AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Sub"]
        assert written in body[0]
        body[0] = body[0].replace(written, other, 1)

    return change


def listener(t: Templates, protocol: str) -> dict[str, Any]:
    return t.first("AWS::ElasticLoadBalancingV2::Listener", lambda p: p["Protocol"] == protocol)


def statement(t: Templates, principal: str) -> dict[str, Any]:
    """The first of what a role of this principal may do."""
    found: dict[str, Any] = trusted(t, principal)["Policies"][0]["PolicyDocument"]["Statement"][0]
    return found


def database_group(t: Templates) -> dict[str, Any]:
    return t.first("AWS::EC2::SecurityGroup", lambda p: p["SecurityGroupIngress"][0].get("FromPort") == 5432)


def cycle(t: Templates) -> None:
    resources = t.beside("AWS::ECS::Service")["Resources"]
    names = {r["Type"]: name for name, r in resources.items()}
    resources[names["AWS::ElasticLoadBalancingV2::ListenerRule"]]["DependsOn"] = [names["AWS::ECS::Service"]]


def same_priority(t: Templates) -> None:
    rules = [r["Properties"] for _, r in t.all("AWS::ElasticLoadBalancingV2::ListenerRule")]
    rules[1]["Priority"] = rules[0]["Priority"]


def same_zone(t: Templates) -> None:
    one, other = [r["Properties"] for _, r in t.all("AWS::EC2::Subnet")][:2]
    other["AvailabilityZone"] = one["AvailabilityZone"]


def overlap(t: Templates) -> None:
    one, other = [r["Properties"] for _, r in t.all("AWS::EC2::Subnet")][:2]
    other["CidrBlock"] = one["CidrBlock"]


def private_to_internet(t: Templates) -> None:
    gateway = t.first("AWS::EC2::Route", lambda p: "GatewayId" in p)["GatewayId"]
    route = t.first("AWS::EC2::Route", lambda p: "NatGatewayId" in p)
    del route["NatGatewayId"]
    route["GatewayId"] = gateway


def http_forwards(t: Templates) -> None:
    group = rule(t)["Actions"][0][FORWARD]["TargetGroups"][1]["TargetGroupArn"]
    listener(t, "HTTP")["DefaultActions"] = [{"Type": "forward", "TargetGroupArn": group}]


def no_permission(t: Templates) -> None:
    resources = t.beside("AWS::Lambda::Permission")["Resources"]
    name = next(name for name, r in resources.items() if r["Type"] == "AWS::Lambda::Permission")
    del resources[name]
    for resource in resources.values():
        if name in resource.get("DependsOn", []):
            resource["DependsOn"].remove(name)


def arn_for_name(t: Templates) -> None:
    dimension = next(d for d in alarm(t)["Dimensions"] if d["Name"] == "TargetGroup")
    dimension["Value"] = {"Ref": dimension["Value"]["Fn::GetAtt"][0]}


def fixed_partition(t: Templates) -> None:
    permission = t.first("AWS::Lambda::Permission")
    permission["SourceArn"] = json.loads(json.dumps(permission["SourceArn"]).replace("${AWS::Partition}", "aws"))


def foreign_certificate(t: Templates) -> None:
    viewer = distribution(t)["ViewerCertificate"]
    viewer["AcmCertificateArn"] = json.loads(json.dumps(viewer["AcmCertificateArn"]).replace("us-east-1", "eu-west-1"))


def unused_parameter(t: Templates) -> None:
    parameter = {"Type": "String", "Default": "x", "AllowedValues": ["x"], "Description": "Nothing asks for this one"}
    t.stacks[0].body.setdefault("Parameters", {})["Idle"] = parameter  # type: ignore[attr-defined]


def undefined_output(t: Templates) -> None:
    body: Any = t.stacks[0].body
    body.setdefault("Outputs", {})["Lost"] = {"Value": {"Ref": "Nowhere"}}


def literal_weights(t: Templates) -> None:
    rule(t)["Actions"][0][FORWARD]["TargetGroups"][0]["Weight"] = 1000


def into(place: Callable[[Templates], Any], key: Any, value: Any) -> Callable[[Templates], None]:
    """Put a value there."""

    def damage(t: Templates) -> None:
        place(t)[key] = value(t) if callable(value) else value

    return damage


def without(place: Callable[[Templates], Any], key: Any) -> Callable[[Templates], None]:
    def damage(t: Templates) -> None:
        del place(t)[key]

    return damage


def of(kind: str) -> Callable[[Templates], dict[str, Any]]:
    return lambda t: t.first(kind)


def lb(t: Templates) -> dict[str, Any]:
    entry: dict[str, Any] = service(t)["LoadBalancers"][0]
    return entry


def awsvpc(t: Templates) -> dict[str, Any]:
    place: dict[str, Any] = service(t)["NetworkConfiguration"]["AwsvpcConfiguration"]
    return place


def deployment(t: Templates) -> dict[str, Any]:
    made: dict[str, Any] = service(t)["DeploymentConfiguration"]
    return made


EVERYBODY = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "CidrIp": "0.0.0.0/0", "Description": "Everybody"}]


LINTER = "cfn-lint"
Damage = Callable[[Templates], object]
DEFECTS: dict[str, tuple[Damage, str]] = {
    # what a linter of shapes notices
    "a property that does not exist": (into(of("AWS::EC2::Subnet"), "Colour", "red"), LINTER),
    "an attribute that does not exist": (
        into(task, "TaskRoleArn", lambda t: {"Fn::GetAtt": [_role_of(t), "Name"]}),
        "TND-REF-02",
    ),
    "a reference to nothing": (into(of("AWS::EC2::Subnet"), "VpcId", {"Ref": "Nowhere"}), "TND-STK-01"),
    "an output of nothing": (undefined_output, "TND-STK-01"),
    "a word where a number belongs": (into(database, "BackupRetentionPeriod", "seven"), "TND-DAT-05"),
    "a retention that does not exist": (into(of("AWS::Logs::LogGroup"), "RetentionInDays", 8), "TND-STO-05"),
    "a pair that Fargate does not have": (into(task, "Memory", "31000"), "TND-TSK-01"),
    "a rule without priority": (without(rule, "Priority"), "TND-EDG-06"),
    "a password in the template": (into(database, "MasterUserPassword", "correct-horse"), "TND-DAT-04"),
    "a misspelled action": (lambda t: _replace_action(t, "ecs-tasks.amazonaws.com", "Get", "Gets"), "TND-IAM-08"),
    "overlapping subnets": (overlap, "TND-NET-03"),
    "a circle": (cycle, "TND-STK-03"),
    "a parameter that nothing uses": (unused_parameter, "TND-STK-05"),
    "a zone by its name": (into(of("AWS::EC2::Subnet"), "AvailabilityZone", "us-east-1a"), "TND-NET-02"),
    "an old runtime": (into(of("AWS::Lambda::Function"), "Runtime", "python3.7"), "TND-FUN-01"),
    "a function of sixteen minutes": (into(of("AWS::Lambda::Function"), "Timeout", 901), "TND-FUN-02"),
    # what a scanner of policies notices
    "a public database": (into(database, "PubliclyAccessible", True), "TND-DAT-01"),
    "an unencrypted database": (into(database, "StorageEncrypted", False), "TND-DAT-02"),
    "a database without forced TLS": (
        lambda t: t.first("AWS::RDS::DBParameterGroup")["Parameters"].update({"rds.force_ssl": "0"}),
        "TND-DAT-03",
    ),
    "a task that may do everything": (
        lambda t: statement(t, "ecs-tasks.amazonaws.com").update(Action=["*"]),
        "TND-IAM-01",
    ),
    "an old TLS policy": (into(lambda t: listener(t, "HTTPS"), "SslPolicy", "ELBSecurityPolicy-2016-08"), "TND-EDG-04"),
    "HTTP that forwards": (http_forwards, "TND-EDG-03"),
    "a CDN that allows HTTP": (
        lambda t: distribution(t)["DefaultCacheBehavior"].update(ViewerProtocolPolicy="allow-all"),
        "TND-CDN-01",
    ),
    "a bucket that may be public": (without(of("AWS::S3::Bucket"), "PublicAccessBlockConfiguration"), "TND-STO-01"),
    "a database that the world may reach": (into(database_group, "SecurityGroupIngress", EVERYBODY), "TND-SEC-03"),
    "an origin by HTTP": (
        lambda t: distribution(t)["Origins"][0]["CustomOriginConfig"].update(OriginProtocolPolicy="http-only"),
        "TND-CDN-03",
    ),
    # what no public tool notices
    "a weight of 1000": (literal_weights, "TND-EDG-08"),
    "one priority twice": (same_priority, "TND-EDG-06"),
    "a container that does not exist": (into(lb, "ContainerName", "web"), "TND-SVC-01"),
    "a port that the container does not have": (into(lb, "ContainerPort", 8080), "TND-SVC-01"),
    "tasks in public subnets": (lambda t: awsvpc(t)["Subnets"].__setitem__(0, public_subnet(t)), "TND-SVC-02"),
    "tasks with public addresses": (into(awsvpc, "AssignPublicIp", "ENABLED"), "TND-SVC-02"),
    "a database that goes with its stack": (lambda t: _database_resource(t).pop("DeletionPolicy"), "TND-DAT-09"),
    "parameters of another version": (into(of("AWS::RDS::DBParameterGroup"), "Family", "postgres14"), "TND-DAT-03"),
    "no circuit breaker": (without(deployment, "DeploymentCircuitBreaker"), "TND-SVC-03"),
    "a deployment that cannot begin": (into(deployment, "MaximumPercent", 100), "TND-SVC-03"),
    "no grace": (without(service, "HealthCheckGracePeriodSeconds"), "TND-SVC-05"),
    "a service that does not wait for its rule": (
        lambda t: t.resource("AWS::ECS::Service").pop("DependsOn"),
        "TND-SVC-06",
    ),
    "a function that may not be called": (no_permission, "TND-FBK-01"),
    "a function that somebody else may call": (
        into(of("AWS::Lambda::Permission"), "Principal", "apigateway.amazonaws.com"),
        "TND-FBK-01",
    ),
    "every repository may deploy": (into(github, "token.actions.githubusercontent.com:sub", "repo:*"), "TND-CIC-02"),
    "tokens for any audience": (without(github, "token.actions.githubusercontent.com:aud"), "TND-CIC-01"),
    "two subnets in one zone": (same_zone, "TND-NET-02"),
    "a private subnet routed to the internet": (private_to_internet, "TND-NET-01"),
    "a fixed partition": (fixed_partition, "TND-IAM-03"),
    "an alarm that tells nobody": (without(alarm, "AlarmActions"), "TND-OBS-01"),
    "an ARN where the full name belongs": (arn_for_name, "TND-OBS-03"),
    "a dimension too many": (lambda t: alarm(t)["Dimensions"].append({"Name": "Zone", "Value": "a"}), "TND-OBS-04"),
    "an alarm that looks back for weeks": (into(alarm, "Period", 604_800), "TND-OBS-02"),
    "a guard that nobody watches": (
        unwatched("OversellGuardHits"),
        "TND-OBS-15",
    ),
    "a database that ends in silence": (into(gone, "TreatMissingData", "notBreaching"), "TND-OBS-16"),
    "a window of another rate": (into(window, "Threshold", 2.5), "TND-OBS-18"),
    "a widget of what nobody emits": (drawn('"Revenue"', '"Turnover"'), "TND-OBS-17"),
    "a widget on another": (drawn('"x":8', '"x":0'), "TND-OBS-08"),
    "no health path": (without(ip_group, "HealthCheckPath"), "TND-TGT-02"),
    "targets by instance": (into(ip_group, "TargetType", "instance"), "TND-SVC-01"),
    "a password in plain environment": (
        lambda t: serving(t)["Environment"].append({"Name": "DB_PASSWORD", "Value": "correct-horse"}),
        "TND-TSK-04",
    ),
    "a certificate of another region": (foreign_certificate, "TND-CDN-02"),
}


def _role_of(t: Templates) -> str:
    name: str = task(t)["TaskRoleArn"]["Fn::GetAtt"][0]
    return name


def _database_resource(t: Templates) -> Resource:
    return t.resource("AWS::RDS::DBInstance", lambda p: "MasterUserPassword" in p)


def _replace_action(t: Templates, principal: str, old: str, new: str) -> None:
    found = statement(t, principal)
    found["Action"] = [str(action).replace(f":{old}", f":{new}") for action in found["Action"]]
