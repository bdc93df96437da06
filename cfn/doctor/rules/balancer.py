"""The load balancer itself, its access logs and its own name."""

from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.values import items, number, only

rule = Rules()


@rule("TND-EDG-09", "The load balancer is hardened")
def balancer(world: World) -> Iterator[Fault]:
    """Headers that are no headers and requests that two parsers read differently are how servers are told lies."""
    wanted = {
        "routing.http.drop_invalid_header_fields.enabled": {"true"},
        "routing.http.desync_mitigation_mode": {"defensive", "strictest"},
        "access_logs.s3.enabled": {"true"},
        "routing.http.xff_header_processing.mode": {"append"},
        "routing.http2.enabled": {"true"},
        "deletion_protection.enabled": {str(world.expectations.deletion_protection).lower()},
    }
    for found in world.of("AWS::ElasticLoadBalancingV2::LoadBalancer"):
        attributes = {str(a.get("Key")): str(a.get("Value")) for a in items(found.get("LoadBalancerAttributes"))}
        for key, values in wanted.items():
            if attributes.get(key) not in values:
                wrong = f"{key} is {attributes.get(key)}"
                yield Fault(found, "LoadBalancerAttributes", wrong, f"set it to {' or '.join(sorted(values))}")
        if not attributes.get("access_logs.s3.prefix"):
            yield Fault(found, "LoadBalancerAttributes", "its logs have no prefix", "set access_logs.s3.prefix")
        idle = number(attributes.get("idle_timeout.timeout_seconds"))
        if not idle or not 30 <= idle <= 120:
            wrong = f"the idle timeout is {idle} s"
            yield Fault(found, "LoadBalancerAttributes", wrong, "keep it above the timeouts of the services, at 60 s")
        yield from _balancer_place(world, found)


def _balancer_place(world: World, found: Resource) -> Iterator[Fault]:
    subnets = items(found.get("Subnets"))
    places = [world.at(subnet, "AWS::EC2::Subnet") for subnet in subnets]
    if None in places or len({p.key for p in places if p}) < world.expectations.zones:
        wrong = f"it stands in {len({p.key for p in places if p})} subnets"
        yield Fault(found, "Subnets", wrong, "put it into every subnet of its tier")
    if found.get("Type") not in {None, "application"}:
        yield Fault(found, "Type", f"it is of type {found.get('Type')}", "use an application load balancer")


@rule("TND-EDG-10", "Access logs have somewhere to go before they are switched on")
def access_logs(world: World) -> Iterator[Fault]:
    """The load balancer tests the bucket when it is made: without the bucket's policy it does not come up."""
    for found in world.of("AWS::ElasticLoadBalancingV2::LoadBalancer"):
        attributes = {str(a.get("Key")): a.get("Value") for a in items(found.get("LoadBalancerAttributes"))}
        if attributes.get("access_logs.s3.enabled") not in {"true", True}:
            continue
        bucket = world.at(attributes.get("access_logs.s3.bucket"), "AWS::S3::Bucket")
        policies = world.users(bucket, "AWS::S3::BucketPolicy") if bucket else []
        if not bucket:
            yield Fault(found, "LoadBalancerAttributes", "its logs go to no declared bucket", "name a bucket")
        elif not any(world.waits_for(found, policy) and _delivers(policy) for policy in policies):
            wrong = "it does not wait for a policy that lets log delivery write to the bucket"
            yield Fault(found, "DependsOn", wrong, "let it depend on the bucket's policy")


def _delivers(policy: Resource) -> bool:
    return any(
        s.get("Effect") == "Allow"
        and "s3:PutObject" in items(s.get("Action"))
        and (
            "logdelivery.elasticloadbalancing.amazonaws.com" in str(s.get("Principal"))
            or "AWS" in (s.get("Principal") or {})
        )
        for s in items(policy.get("PolicyDocument", "Statement"))
    )


@rule("TND-EDG-12", "The origin's own name leads to the load balancer")
def origin_name(world: World) -> Iterator[Fault]:
    """Alias and zone come from one load balancer, or the alias is refused."""
    for record in world.of("AWS::Route53::RecordSet"):
        alias = record.get("AliasTarget") or {}
        found = world.at(alias.get("DNSName"))
        zone = only(alias.get("HostedZoneId"))
        if not found:
            yield Fault(record, "AliasTarget.DNSName", "it leads to nothing declared", "refer to a DNS name")
        elif found.type.endswith("::LoadBalancer") and (
            world.at(zone) is not found or not zone or zone.attribute != "CanonicalHostedZoneID"
        ):
            yield Fault(record, "AliasTarget.HostedZoneId", "not its zone", "use its CanonicalHostedZoneID")
