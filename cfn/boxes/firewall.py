"""The web application firewall at CloudFront: AWS's rules against known attacks, and a limit for each address."""

from dataclasses import dataclass

from troposphere import GetAtt, Template
from troposphere import wafv2 as waf

from cfn import names
from cfn.environments import Environment
from cfn.wiring import Value

REQUESTS_PER_ADDRESS = 2000  # in five minutes
MANAGED = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
)
# The common rules refuse bodies above 8 KB, which the import of a catalogue has; the services limit theirs by route.
COUNTED = {"AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",)}


@dataclass(frozen=True, slots=True)
class Firewall:
    arn: Value


def firewall(template: Template, environment: Environment) -> Firewall:
    acl = template.add_resource(
        waf.WebACL(
            "WebAcl",
            Name=names.name(environment),
            Description="In front of the shop",
            Scope="CLOUDFRONT",
            DefaultAction=waf.DefaultAction(Allow=waf.AllowAction()),
            VisibilityConfig=_visible(names.name(environment)),
            Rules=[_rate_limit(), *(_managed(number, group) for number, group in enumerate(MANAGED, 1))],
        )
    )
    return Firewall(arn=GetAtt(acl, "Arn"))


def _rate_limit() -> waf.WebACLRule:
    statement = waf.RateBasedStatement(AggregateKeyType="IP", Limit=REQUESTS_PER_ADDRESS, EvaluationWindowSec=300)
    return waf.WebACLRule(
        Name="RateLimit",
        Priority=0,
        Action=waf.RuleAction(Block=waf.BlockAction()),
        Statement=waf.Statement(RateBasedStatement=statement),
        VisibilityConfig=_visible("RateLimit"),
    )


def _managed(priority: int, group: str) -> waf.WebACLRule:
    statement = waf.ManagedRuleGroupStatement(VendorName="AWS", Name=group)
    counted = [
        waf.RuleActionOverride(Name=rule, ActionToUse=waf.RuleAction(Count=waf.CountAction()))
        for rule in COUNTED.get(group, ())
    ]
    if counted:
        statement.RuleActionOverrides = counted
    return waf.WebACLRule(
        Name=group,
        Priority=priority,
        OverrideAction=waf.OverrideAction(**{"None": {}}),
        Statement=waf.Statement(ManagedRuleGroupStatement=statement),
        VisibilityConfig=_visible(group),
    )


def _visible(metric: str) -> waf.VisibilityConfig:
    return waf.VisibilityConfig(CloudWatchMetricsEnabled=True, MetricName=metric, SampledRequestsEnabled=True)
