"""CloudFront, its firewall, and names."""

from collections.abc import Iterator, Mapping

from cfn.costs.lines import Item
from cfn.costs.rules.bill import Bill, Rule
from cfn.costs.traffic import PER_MILLION
from cfn.doctor.graph import Resource
from cfn.doctor.values import items

RECORD = "AWS::Route53::RecordSet"


def distribution(_: Resource, bill: Bill) -> Iterator[Item]:
    """From the load balancer to CloudFront data goes for nothing, so this is all the public transfer there is."""
    yield Item("transfer", "cloudfront.data", bill.traffic.edge_gb, "data to visitors")
    yield Item("cdn", "cloudfront.requests", bill.traffic.at_edge / PER_MILLION, "requests")


def firewall(resource: Resource, bill: Bill) -> Iterator[Item]:
    yield Item("waf", "waf.acl", 1, "web ACL")
    yield Item("waf", "waf.rule", len(items(resource.get("Rules"))), "rules and managed groups")
    yield Item("waf", "waf.requests", bill.traffic.at_edge / PER_MILLION, "requests")


def record(resource: Resource, bill: Bill) -> Iterator[Item]:
    """Aliases to AWS's own names are answered for nothing. No stack makes the zone, but somebody pays it: its first
    record carries it."""
    zone = resource.get("HostedZoneId")
    first = next(other for other in bill.world.of(RECORD) if other.get("HostedZoneId") == zone)
    if first is resource:
        yield Item("dns", "route53.zone", 1, "hosted zone, which no stack makes")
    if not resource.get("AliasTarget"):
        yield Item("dns", "route53.queries", bill.traffic.at_edge / PER_MILLION, "queries")


RULES: Mapping[str, Rule] = {
    "AWS::CloudFront::Distribution": distribution,
    "AWS::WAFv2::WebACL": firewall,
    RECORD: record,
}
