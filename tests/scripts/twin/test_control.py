"""The control plane: what people see, what boto3 can do, and who is refused."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib import rules
from scripts.twin.control.app import control_plane
from scripts.twin.deployment.values import Deployment
from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.balancer import LoadBalancer
from tests.scripts.twin.balancing import Mirror, opened, served, until
from tests.scripts.twin.deployments import SECRET, group_of, local


class Console:
    """The control plane over HTTP."""

    def __init__(self, balancer: LoadBalancer, http: aiohttp.ClientSession, url: str, saved: list[Deployment]) -> None:
        self.balancer = balancer
        self.http = http
        self.url = url
        self.saved = saved
        self.rule = next(rule for rule in balancer.account.deployment.rules if rule.service == "product")
        self.fargate = group_of(local(), "product", "fargate").arn
        self.function = group_of(local(), "product", "lambda").arn
        self._client: Any = boto3.client(
            "elbv2",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=Config(retries={"total_max_attempts": 1}),
        )

    async def call(self, operation: str, **parameters: Any) -> Any:
        """With a real client of boto3, which knows only threads."""
        return await asyncio.to_thread(getattr(self._client, operation), **parameters)

    async def refused(self, operation: str, **parameters: Any) -> str:
        """The code of the error."""
        with pytest.raises(ClientError) as error:
            await self.call(operation, **parameters)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        return str(error.value.response["Error"]["Code"])

    def forward(self, fargate: int, function: int) -> list[dict[str, Any]]:
        groups = [
            {"TargetGroupArn": self.fargate, "Weight": fargate},
            {"TargetGroupArn": self.function, "Weight": function},
        ]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    async def weights(self) -> dict[str, int]:
        async with self.http.get(f"{self.url}/status") as answer:
            found: dict[str, int] = (await answer.json())["weights"]["product"]
            return found


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    saved: list[Deployment] = []
    balancer = LoadBalancer(Account(local(), saved.append), hurry=100)
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(served(control_plane(balancer)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Console(balancer, http, f"http://127.0.0.1:{port}", saved)


# --- with boto3 -----------------------------------------------------------------------------------------------------


async def test_the_rules_are_described_as_they_are_deployed(console: Console) -> None:
    by_listener = (await console.call("describe_rules", ListenerArn=local().listener))["Rules"]
    assert [rule["Priority"] for rule in by_listener] == ["10", "20", "1000", "default"]
    assert [rule["IsDefault"] for rule in by_listener] == [False, False, False, True]
    (product,) = (await console.call("describe_rules", RuleArns=[console.rule.arn]))["Rules"]
    assert product == by_listener[0]
    assert product["Conditions"][0]["PathPatternConfig"]["Values"] == ["/products", "/products/*"]
    assert product["Conditions"][1]["HttpHeaderConfig"]["HttpHeaderName"] == "X-Origin-Verify"
    assert product["Actions"][0]["ForwardConfig"]["TargetGroups"] == [
        {"TargetGroupArn": console.fargate, "Weight": 100},
        {"TargetGroupArn": console.function, "Weight": 0},
    ]
    assert by_listener[3]["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "403"


async def test_modify_rule_moves_a_service_and_what_it_answers_is_what_is(console: Console) -> None:
    answered = await console.call("modify_rule", RuleArn=console.rule.arn, Actions=console.forward(0, 100))
    assert answered["Rules"] == (await console.call("describe_rules", RuleArns=[console.rule.arn]))["Rules"]
    assert await console.weights() == {"fargate": 0, "lambda": 100}
    assert console.saved[-1] == console.balancer.account.deployment != local()


@pytest.mark.parametrize(
    ("weights", "code"),
    [((1000, 0), "ValidationError"), ((-1, 100), "ValidationError")],
)
async def test_weights_go_from_0_to_999(console: Console, weights: tuple[int, int], code: str) -> None:
    """ "TargetGroupTuple" in the API reference: the range is 0 to 999."""
    assert await console.refused("modify_rule", RuleArn=console.rule.arn, Actions=console.forward(*weights)) == code
    await console.call("modify_rule", RuleArn=console.rule.arn, Actions=console.forward(999, 0))
    assert await console.weights() == {"fargate": 999, "lambda": 0}


async def test_an_action_names_at_most_five_groups_and_only_ones_that_exist(console: Console) -> None:
    """ "Quotas for your Application Load Balancers": target groups per action, 5, not adjustable."""
    six = [{"TargetGroupArn": group.arn, "Weight": 1} for group in local().groups]
    assert len(six) == 6
    many = [{"Type": "forward", "ForwardConfig": {"TargetGroups": six}}]
    assert await console.refused("modify_rule", RuleArn=console.rule.arn, Actions=many) == "InvalidLoadBalancerAction"
    unknown = [{"Type": "forward", "TargetGroupArn": console.fargate + "0"}]
    assert await console.refused("modify_rule", RuleArn=console.rule.arn, Actions=unknown) == "TargetGroupNotFound"
    assert await console.weights() == {"fargate": 100, "lambda": 0}


async def test_rules_that_are_not_there_or_not_to_be_changed_are_refused(console: Console) -> None:
    """ "ModifyRule": RuleNotFound, and "To modify the actions for the default rule, use ModifyListener"."""
    actions = console.forward(1, 1)
    assert await console.refused("modify_rule", RuleArn=console.rule.arn + "0", Actions=actions) == "RuleNotFound"
    default = local().rules[-1].arn
    assert await console.refused("modify_rule", RuleArn=default, Actions=actions) == "OperationNotPermitted"
    conditions = [{"Field": "path-pattern", "Values": ["/x"]}]
    code = await console.refused("modify_rule", RuleArn=console.rule.arn, Conditions=conditions)
    assert code == "OperationNotPermitted"
    assert await console.refused("describe_rules", RuleArns=["arn:x"]) == "RuleNotFound"
    assert await console.refused("describe_rules", ListenerArn="arn:x") == "ListenerNotFound"
    assert await console.refused("describe_load_balancers") == "InvalidAction"
    assert console.saved == []


async def test_tags_are_kept_on_rules_and_groups(console: Console) -> None:
    """ "AddTags": an existing key is updated. "RemoveTags" takes keys that are not there."""
    arns = [console.rule.arn, console.fargate]
    tags = [{"Key": "tandem:failover", "Value": "lambda"}, {"Key": "note", "Value": "ü & <b>"}]
    await console.call("add_tags", ResourceArns=arns, Tags=tags)
    await console.call("add_tags", ResourceArns=arns, Tags=[{"Key": "tandem:failover", "Value": "fargate"}])
    described = (await console.call("describe_tags", ResourceArns=arns))["TagDescriptions"]
    assert [one["ResourceArn"] for one in described] == arns
    for one in described:
        found = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert found["tandem:failover"] == "fargate"
        assert found["note"] == "ü & <b>"
        assert found["Project"] == "tandem"
    await console.call("remove_tags", ResourceArns=arns, TagKeys=["note", "never there"])
    described = (await console.call("describe_tags", ResourceArns=[console.rule.arn]))["TagDescriptions"]
    assert "note" not in {tag["Key"] for tag in described[0]["Tags"]}
    assert console.saved[-1].rules[0].tags["tandem:failover"] == "fargate"


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "DuplicateTagKeys"),
        ([{"Key": "aws:own", "Value": "1"}], "ValidationError"),
        ([{"Key": "long", "Value": "x" * 257}], "ValidationError"),
        ([{"Key": f"k{number}", "Value": ""} for number in range(50)], "TooManyTags"),
    ],
)
async def test_tags_that_aws_would_refuse_are_refused(console: Console, tags: list[dict[str, str]], code: str) -> None:
    """ "AddTags" in the API reference, and "Tag restrictions": 50 tags, 256 characters, no aws: prefix."""
    assert await console.refused("add_tags", ResourceArns=[console.rule.arn], Tags=tags) == code
    assert console.saved == []


async def test_groups_and_the_health_of_their_targets_are_described(console: Console) -> None:
    (found,) = (await console.call("describe_target_groups", Names=["tandem-local-product"]))["TargetGroups"]
    assert (found["TargetType"], found["HealthCheckIntervalSeconds"], found["Port"]) == ("ip", 5, 8000)
    assert len((await console.call("describe_target_groups"))["TargetGroups"]) == 6
    (function,) = (await console.call("describe_target_groups", TargetGroupArns=[console.function]))["TargetGroups"]
    assert (function["TargetType"], function["HealthCheckEnabled"]) == ("lambda", False)
    assert await console.refused("describe_target_groups", Names=["nobody"]) == "TargetGroupNotFound"
    described = (await console.call("describe_target_health", TargetGroupArn=console.function))[
        "TargetHealthDescriptions"
    ]
    assert described[0]["Target"]["Id"].endswith(":function:tandem-local-product")
    assert described[0]["TargetHealth"] == {"State": "unavailable", "Reason": "Target.HealthCheckDisabled"}


async def test_a_target_is_registered_checked_and_deregistered(console: Console) -> None:
    """ "DescribeTargetHealth": initial, healthy, unhealthy, draining, each but healthy with a reason."""

    async def described() -> list[tuple[str, str | None]]:
        found = await console.call("describe_target_health", TargetGroupArn=console.fargate)
        states = [one["TargetHealth"] for one in found["TargetHealthDescriptions"]]
        return [(state["State"], state.get("Reason")) for state in states]

    mirror = Mirror()
    async with served(mirror) as port, opened(console.balancer):
        target = [{"Id": "127.0.0.1", "Port": port}]
        await console.call("register_targets", TargetGroupArn=console.fargate, Targets=target)
        group = console.balancer.groups[console.fargate]
        await until(lambda: group.targets[0].healthy)
        assert await described() == [("healthy", None)]
        mirror.healthy = False
        await until(lambda: group.targets[0].healthy is False)
        assert await described() == [("unhealthy", "Target.ResponseCodeMismatch")]
        await console.call("deregister_targets", TargetGroupArn=console.fargate, Targets=target)
        assert await described() == [("draining", "Target.DeregistrationInProgress")]


async def test_a_request_that_is_no_query_is_answered_with_an_error_all_the_same(console: Console) -> None:
    for body in (
        b"",
        b"Action=ModifyRule",
        b"Action=ModifyRule&RuleArn=x&RuleArn.member.1=y",
        b"\xff=%zz",
        b"Action.x=1",
    ):
        async with console.http.post(console.url, data=body) as answer:
            assert answer.status == 400
            assert "<ErrorResponse" in await answer.text()


# --- /status and /weights -------------------------------------------------------------------------------------------


async def test_weights_are_put_for_a_service_as_a_whole(console: Console) -> None:
    body = json.dumps({"product": {"fargate": 1, "lambda": 3}})
    async with console.http.put(f"{console.url}/weights", data=body) as answer:
        assert (await answer.json())["product"] == {"fargate": 1, "lambda": 3}
    assert await console.weights() == {"fargate": 1, "lambda": 3}


async def test_weights_set_by_hand_hold_until_all_is_back_on_the_containers(console: Console) -> None:
    """Else the controller of the operations app would take them back within the minute."""
    tags = []
    for weights in ({"fargate": 0, "lambda": 100}, {"fargate": 100, "lambda": 0}):
        body = json.dumps({"product": weights})
        async with console.http.put(f"{console.url}/weights", data=body) as answer:
            assert answer.status == 200
        async with console.http.get(f"{console.url}/status", headers={"Accept": "application/json"}) as answer:
            (rule,) = [rule for rule in (await answer.json())["rules"] if rule["service"] == "product"]
            tags.append({name: value for name, value in rule["tags"].items() if name.startswith("tandem:failover")})
    assert tags[0][rules.HOLD] == "manual"
    assert tags[0].keys() <= {rules.RUNTIME, rules.SINCE, rules.REASON, rules.HOLD}
    assert tags[1] == {}


@pytest.mark.parametrize(
    "body",
    [
        "weights",
        "[]",
        '{"product": 100}',
        '{"product": {"fargate": "100", "lambda": 0}}',
        '{"product": {"fargate": 100}}',
        '{"product": {"fargate": 100, "lambda": 0, "spare": 0}}',
        '{"product": {"fargate": 1000, "lambda": 0}}',
        '{"product": {"fargate": 0, "lambda": 0}}',
        '{"nobody": {"fargate": 100, "lambda": 0}}',
    ],
)
async def test_weights_that_make_no_sense_are_refused_and_change_nothing(console: Console, body: str) -> None:
    async with console.http.put(f"{console.url}/weights", data=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["title"]
    assert console.saved == []


async def test_status_says_who_answered_what(console: Console) -> None:
    async with served(Mirror()) as port, opened(console.balancer) as (shop, http):
        console.balancer.register_service("product", f"127.0.0.1:{port}")
        for path in ("/products/1?token=secret", "/orders", "/products/2"):
            async with http.get(shop + path):
                pass
        async with console.http.get(f"{console.url}/status") as answer:
            now = await answer.json()
    assert now["answers"] == {"order": {"load-balancer": {"5xx": 1}}, "product": {"fargate": {"2xx": 2}}}
    seen = [(one["path"], one["status"], one["runtime"], one["target"]) for one in now["requests"]]
    target = f"127.0.0.1:{port}"
    assert seen == [
        ("/products/2", 200, "fargate", target),
        ("/orders", 503, "load-balancer", ""),
        ("/products/1", 200, "fargate", target),
    ]
    assert now["health_checks"]["hurry"] == 100
    assert now["sandboxes"] is None
    (group,) = [group for group in now["groups"] if group["name"] == "tandem-local-product"]
    assert group["targets"][0]["id"] == target


async def test_only_the_last_fifty_requests_are_kept(console: Console) -> None:
    for number in range(60):
        console.balancer.journal.end(console.balancer.journal.begin({"method": "GET", "raw_path": b"/%d" % number}))
    kept = [one["path"] for one in console.balancer.journal.last()]
    assert kept == [f"/{number}" for number in range(59, 9, -1)]


async def test_the_page_shows_everything_escaped_hides_the_secret_and_needs_nothing_from_elsewhere(
    console: Console,
) -> None:
    entry = console.balancer.journal.begin({"method": "GET", "raw_path": b"/<script>alert(1)</script>"})
    console.balancer.journal.end(entry)
    async with console.http.get(f"{console.url}/status", headers={"Accept": "text/html"}) as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert answer.content_type == "text/html"
    assert "/&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    for shown in ("/products /products/*", "tandem-local-order-lambda 0", "answer 403", "5 times"):
        assert shown.replace("5 times", "100 times") in page
    assert SECRET not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in policy
    async with console.http.get(f"{console.url}/status") as answer:
        assert SECRET not in await answer.text()


# --- who is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Host": "attacker.example"}, 403),
        ("GET", {"Host": "127.0.0.1.attacker.example:8081"}, 403),
        ("PUT", {"Host": "attacker.example"}, 403),
        ("PUT", {"Origin": "https://attacker.example"}, 403),
        ("PUT", {"Origin": "null"}, 403),
        ("PUT", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("PUT", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", {"Origin": "http://127.0.0.1:1"}, 403),
        ("PUT", {"Sec-Fetch-Site": "same-origin", "Origin": "OWN"}, 200),
        ("PUT", {}, 200),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, 200),
    ],
)
async def test_pages_of_other_sites_and_foreign_names_are_refused(
    console: Console, method: str, headers: dict[str, str], status: int
) -> None:
    """A browser sends Origin with every write to another site, and Sec-Fetch-Site wherever it is of this decade."""
    headers = {name: console.url if value == "OWN" else value for name, value in headers.items()}
    path = {"GET": "/status", "PUT": "/weights", "POST": "/"}[method]
    body = json.dumps({"product": {"fargate": 5, "lambda": 5}})
    async with console.http.request(method, console.url + path, headers=headers, data=body) as answer:
        assert answer.status == status
    changed = method == "PUT" and status == 200
    assert await console.weights() == ({"fargate": 5, "lambda": 5} if changed else {"fargate": 100, "lambda": 0})
