"""The web application firewall: what it refuses, what it only counts, and what it stands before."""

from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.edge import DISTRIBUTION
from cfn.doctor.values import dig, items, number, truth

rule = Rules()
ACL = "AWS::WAFv2::WebACL"
COMMON = "AWSManagedRulesCommonRuleSet"
MANAGED = {"AWSManagedRulesAmazonIpReputationList", COMMON, "AWSManagedRulesKnownBadInputsRuleSet"}


@rule("TND-WAF-01", "The firewall lets customers in and floods out")
def floods(world: World) -> Iterator[Fault]:
    """Whom no rule names is a customer. One address that asks hundreds of times a minute is none."""
    for acl in world.of(ACL):
        rules = items(acl.get("Rules"))
        if dig(acl.properties, "DefaultAction", "Allow") is None:
            yield Fault(acl, "DefaultAction", "it blocks whoever no rule names", "allow by default")
        limits = [number(dig(r, "Statement", "RateBasedStatement", "Limit")) for r in rules]
        if not any(limit and 100 <= limit <= 20000 for limit in limits):
            yield Fault(acl, "Rules", "no rule limits the rate of one address", "add a RateBasedStatement")


@rule("TND-WAF-02", "Known attacks are refused")
def attacks(world: World) -> Iterator[Fault]:
    """AWS keeps the rules current. Of the common ones, the limit of 8 KB for bodies only counts: the import of a
    catalogue is larger, and the services limit their bodies themselves."""
    for acl in world.of(ACL):
        groups = [dig(r, "Statement", "ManagedRuleGroupStatement") for r in items(acl.get("Rules"))]
        for name in sorted(MANAGED - {str(dig(group, "Name")) for group in groups}):
            yield Fault(acl, "Rules", f"{name} is missing", "add it")
        for group in groups:
            overrides = items(dig(group, "RuleActionOverrides"))
            counted = {str(o.get("Name")) for o in overrides if "Count" in (o.get("ActionToUse") or {})}
            wanted = {"SizeRestrictions_BODY"} if dig(group, "Name") == COMMON else set()
            if counted != wanted or len(overrides) != len(wanted):
                wrong = f"of {dig(group, 'Name')} it only counts {sorted(counted)}"
                yield Fault(acl, "Rules", wrong, f"count {sorted(wanted)}")


@rule("TND-WAF-03", "Its rules act, in an order, and can be watched")
def acting(world: World) -> Iterator[Fault]:
    """A rule that counts is one that was forgotten after its trial. Metrics show a false alarm before customers do."""
    for acl in world.of(ACL):
        rules = items(acl.get("Rules"))
        if len({r.get("Priority") for r in rules}) != len(rules):
            yield Fault(acl, "Rules", "two rules share a priority", "number them")
        for index, r in enumerate(rules):
            needs = "OverrideAction" if dig(r, "Statement", "ManagedRuleGroupStatement") else "Action"
            if not r.get(needs) or "Count" in r[needs]:
                yield Fault(acl, f"Rules.{index}.{needs}", "the rule only counts", "let it act")
        for place in (acl.properties, *rules):
            if truth(dig(place, "VisibilityConfig", "CloudWatchMetricsEnabled")) is not True:
                yield Fault(acl, "VisibilityConfig", "it has no metrics", "set CloudWatchMetricsEnabled")


@rule("TND-WAF-04", "It stands before the shop")
def scope(world: World) -> Iterator[Fault]:
    """A web ACL for CloudFront has the scope CLOUDFRONT and lives in us-east-1; one that guards nothing only costs."""
    for acl in world.of(ACL):
        yield from _scope(world, acl)


def _scope(world: World, acl: Resource) -> Iterator[Fault]:
    guarded = world.users(acl, DISTRIBUTION)
    wanted = "CLOUDFRONT" if guarded else "REGIONAL"
    if acl.get("Scope") != wanted:
        yield Fault(acl, "Scope", f"its scope is {acl.get('Scope')}", f"use {wanted}")
    if guarded and world.stacks[world.order[acl.stack]].region != "us-east-1":
        yield Fault(acl, "Scope", "it is not in us-east-1", "make it in a stack of us-east-1")
    if not guarded and not world.users(acl, "AWS::WAFv2::WebACLAssociation"):
        yield Fault(acl, "", "it guards nothing", "attach it")
