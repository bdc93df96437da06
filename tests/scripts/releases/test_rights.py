"""An update as GitHub makes it: every call is held against the policies of the roles, and functions come last."""

import json
from dataclasses import replace
from typing import Any

from cfn.environments import Environment
from cfn.stacks import render
from scripts.releases.aws import Aws
from scripts.releases.live import look
from scripts.releases.report import markdown
from tests.scripts.releases.accounts import Landing, carry_out, everything, plan

# Operations whose permission has another name.
CALLED = {"s3:HeadObject": "s3:GetObject"}


def listening(aws: Aws) -> set[str]:
    """The permissions that the calls of these clients need, as they happen."""
    asked: set[str] = set()
    services = {"cloudformation": aws.cloudformation, "ecr": aws.ecr, "elasticloadbalancing": aws.elbv2, "s3": aws.s3}
    for service, client in services.items():

        def note(model: Any, *, service: str = service, **_: Any) -> None:
            action = f"{service}:{model.name}"
            asked.add(CALLED.get(action, action))

        client.meta.events.register("before-call", note)
    return asked


def allowed(environment: Environment, role: str) -> set[str]:
    body = json.loads(render(environment)[0].body)
    policies = body["Resources"][role]["Properties"]["Policies"]
    statements = [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]
    return {action for one in statements if one["Effect"] == "Allow" for action in one["Action"]}


def version(aws: Aws, name: str) -> str:
    live = look(aws.cloudformation, name)
    assert live is not None
    return live.parameters["Version"]


def test_what_a_plan_and_an_update_ask_of_aws_their_roles_may_and_functions_come_last(where: Landing) -> None:
    everything(where, where.aws)
    where.push(where.aws, "v2")
    aws = where.aws
    planning = listening(aws)
    found = plan(aws, replace(where.asked, tag="v2"))
    assert markdown(found, [])
    assert planning - allowed(where.environment, "PlanRole") == set()
    deploying = listening(aws)
    seen: set[str] = set()

    def tried() -> None:
        """Functions are the way back until the shop has been seen with the new version."""
        seen.add(version(aws, "tandem-dev-fallback") + " beside " + version(aws, "tandem-dev-order"))

    assert carry_out(aws, found, tried)
    assert seen == {"v1 beside v2"}
    assert version(aws, "tandem-dev-fallback") == "v2"
    assert {"cloudformation:ExecuteChangeSet", "s3:PutObject", "ecr:DescribeImageScanFindings"} <= deploying
    assert deploying - allowed(where.environment, "DeployRole") == set()
