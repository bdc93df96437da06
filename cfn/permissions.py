"""IAM through awacs: a misspelled action is an AttributeError while rendering, not an access denied in production."""

from collections.abc import Sequence

from awacs.aws import Action, Allow, Condition, Deny, PolicyDocument, Principal, Statement, StringEquals
from awacs.sts import AssumeRole
from troposphere import AccountId, Template
from troposphere.iam import Policy, Role

from cfn.wiring import Value

EVERYTHING = "*"  # as a resource: only for actions that support no narrower one


def allow(
    sid: str,
    actions: Sequence[Action],
    resources: Sequence[Value],
    *,
    principal: Principal | None = None,
    condition: Condition | None = None,
) -> Statement:
    return _statement(Allow, sid, actions, resources, principal, condition)


def deny(
    sid: str,
    actions: Sequence[Action],
    resources: Sequence[Value],
    *,
    principal: Principal | None = None,
    condition: Condition | None = None,
) -> Statement:
    return _statement(Deny, sid, actions, resources, principal, condition)


def _statement(
    effect: str,
    sid: str,
    actions: Sequence[Action],
    resources: Sequence[Value],
    principal: Principal | None,
    condition: Condition | None,
) -> Statement:
    optional = {"Principal": principal, "Condition": condition}
    present = {key: value for key, value in optional.items() if value is not None}
    return Statement(Effect=effect, Sid=sid, Action=list(actions), Resource=list(resources), **present)


def document(*statements: Statement) -> PolicyDocument:
    return PolicyDocument(Version="2012-10-17", Statement=list(statements))


def own_account() -> Condition:
    """Against the confused deputy: a service acts for resources of this account only."""
    return Condition(StringEquals({"aws:SourceAccount": AccountId}))


def role(
    template: Template,
    name: str,
    service: str,
    statements: Sequence[Statement],
    *,
    description: str,
    guarded: bool = True,
    managed: Sequence[Value] = (),
) -> Role:
    """A role for one AWS service. `guarded` where that service says for whom it acts when it assumes the role."""
    trust = Statement(Effect=Allow, Principal=Principal("Service", service), Action=[AssumeRole])
    if guarded:
        trust = Statement(
            Effect=Allow, Principal=Principal("Service", service), Action=[AssumeRole], Condition=own_account()
        )
    made = Role(name, AssumeRolePolicyDocument=document(trust), Description=description)
    if statements:
        made.Policies = [Policy(PolicyName="own", PolicyDocument=document(*statements))]
    if managed:
        made.ManagedPolicyArns = list(managed)
    return template.add_resource(made)
