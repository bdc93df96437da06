"""The zip of the operations app: packaged by Chalice, in step with its stack, and run as Lambda runs it."""

import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cfn.operations import HANDLERS
from scripts.builds import ops
from scripts.builds.bytecode import UNCHECKED_HASH
from scripts.builds.functions import Bundle
from scripts.builds.ops_agreement import Facts, differences, expected, facts
from scripts.builds.targets import Target
from scripts.terminal import Problem
from scripts.twin.functions.function import Function
from scripts.twin.lambda_runtime import LambdaService
from tests.scripts.needs import operations_bundle

HERE = Target.here()
MODULES = 200  # that importing the app loads; 172 when this was written, and the same on every machine
SETTINGS = {"ENVIRONMENT": "dev", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return operations_bundle()


@pytest.fixture(scope="module")
def names(bundle: Bundle) -> set[str]:
    with zipfile.ZipFile(bundle.path) as archive:
        return set(archive.namelist())


def test_the_zip_is_small_and_loads_little(bundle: Bundle) -> None:
    assert bundle.size <= 3_000_000
    assert bundle.modules is not None
    assert bundle.modules <= MODULES


def test_every_module_has_bytecode_that_nobody_checks_again(bundle: Bundle, names: set[str]) -> None:
    version = HERE.python.replace(".", "")
    sources = {name for name in names if name.endswith(".py")}
    with zipfile.ZipFile(bundle.path) as archive:
        for name in sources:
            path = Path(name)
            compiled = archive.read(f"{path.parent}/__pycache__/{path.stem}.cpython-{version}.pyc".removeprefix("./"))
            assert int.from_bytes(compiled[4:8], "little") == UNCHECKED_HASH
    assert len(sources) > 100


def test_the_zip_holds_the_app_and_what_it_needs_and_no_more(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "__pycache__",
        "app.py",
        "aws_lambda_powertools",
        "chalice",
        "chalicelib",
        "jmespath",
        "typing_extensions.py",
    }
    own = {name for name in names if name.startswith("chalicelib/") and name.endswith(".py")}
    assert own == {f"chalicelib/{path.name}" for path in (ops.APP / "chalicelib").glob("*.py")}


def test_another_build_is_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    assert ops.build(HERE, tmp_path).sha256 == bundle.sha256
    assert ops.build(HERE, tmp_path) == replace(bundle, path=tmp_path / "ops.zip"), "the second time it is found"


def test_what_was_built_is_found_until_something_changes(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Bundle:
        raise AssertionError("it was built again")

    monkeypatch.setattr(ops, "make", refuse)
    assert ops.build(HERE, ops.OUT) == bundle
    monkeypatch.setattr(ops, "HANDLERS", HANDLERS[1:])
    with pytest.raises(AssertionError, match="built again"):
        ops.build(HERE, ops.OUT)


def chalice(handler: str, **properties: Any) -> dict[str, Any]:
    """A template as Chalice's looks when it is expanded: one function, and what wakes it."""
    own = {"Handler": handler, "Runtime": "python3.13", "MemorySize": 512, "Timeout": 55, **properties}
    return {
        "Resources": {
            "It": {"Type": "AWS::Lambda::Function", "Properties": own},
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "ScheduleExpression": "rate(1 minute)",
                    "Targets": [{"Arn": {"Fn::GetAtt": ["It", "Arn"]}}],
                },
            },
            "May": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {"FunctionName": {"Ref": "It"}, "Principal": "events.amazonaws.com"},
            },
        }
    }


RECONCILE = Facts("python3.13", 512, 55, ("rate(1 minute)",), ("a schedule",))


def test_chalice_and_the_stack_are_read_alike() -> None:
    assert facts(chalice("app.reconcile")) == {"app.reconcile": RECONCILE}
    assert expected(Target("3.13"))["app.reconcile"] == RECONCILE
    assert differences(chalice("app.reconcile"), {"app.reconcile": RECONCILE}) == []


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"app.other": RECONCILE}, "app.reconcile is only in the app"),
        ({"app.reconcile": RECONCILE, "app.more": RECONCILE}, "app.more is only in the stack"),
        ({"app.reconcile": replace(RECONCILE, runtime="python3.12")}, "app.reconcile has runtime python3.13"),
        ({"app.reconcile": replace(RECONCILE, wakers=("a topic",))}, "app.reconcile has wakers"),
        ({"app.reconcile": replace(RECONCILE, permitted=())}, "app.reconcile has permitted"),
        ({"app.reconcile": replace(RECONCILE, timeout=61)}, "app.reconcile has timeout 55 in the app and 61"),
    ],
)
def test_every_difference_is_told(wanted: dict[str, Facts], sentence: str) -> None:
    assert any(one.startswith(sentence) for one in differences(chalice("app.reconcile"), wanted))


def test_a_handler_that_the_stack_does_not_know_is_no_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "tool_environment", lambda _: Path("python"))
    monkeypatch.setattr(ops, "wheels", lambda _: tmp_path)
    monkeypatch.setattr(ops, "package", lambda *_: Path("sam.json"))
    monkeypatch.setattr(ops, "expand", lambda *_: chalice("app.forgotten"))
    with pytest.raises(Problem, match=r"differ: app\.forgotten is only in the app; app\.clean_images is only in"):
        ops.build(HERE, tmp_path / "out")
    assert not (tmp_path / "out" / "ops.zip").exists()


def test_the_target_needs_an_interpreter_of_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"Python 3\.9 needs an interpreter of that version"):
        ops.build(Target("3.9"), tmp_path)


class Slack:
    """A webhook on the loopback."""

    def __init__(self) -> None:
        self.posts: list[str] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.posts.append(await request.text())
        return web.Response(text="ok")


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    """Everything but the webhook is AWS, and refuses."""
    found = Slack()
    app = web.Application()
    app.router.add_post("/hook", found.take)
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def refuse(_: web.Request) -> web.Response:
    return web.json_response({"__type": "AccessDeniedException", "message": "no"}, status=400)


def functions(bundle: Bundle, slack: Slack) -> Iterator[Function]:
    webhook = json.dumps({"webhook": f"{slack.url}/hook"})
    settings = {**SETTINGS, "SLACK_SECRET": webhook, "AWS_ENDPOINT_URL": slack.url}
    settings["CLEANUP"] = json.dumps({"repositories": ["tandem-dev/product"], "log_prefixes": ["tandem-dev-"]})
    for handler in HANDLERS:
        yield Function(name=handler.name, handler=handler.entry, zip=bundle.path, environment=settings, timeout=60)


ALARM = {
    "AlarmName": "tandem-dev-product-no-healthy-host",
    "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:tandem-dev-product-no-healthy-host",
    "AWSAccountId": "123456789012",
    "NewStateValue": "ALARM",
    "OldStateValue": "OK",
    "NewStateReason": "no datapoints were received",
    "StateChangeTime": "2026-06-01T12:00:00.000+0000",
    "Region": "US East (N. Virginia)",
    "Trigger": {"MetricName": "HealthyHostCount", "Namespace": "AWS/ApplicationELB", "Dimensions": []},
}


async def test_every_handler_runs_as_lambda_runs_it(bundle: Bundle, slack: Slack) -> None:
    """In AWS's runtime client, from the zip, in an environment that holds boto3 and nothing of ours."""
    message = {"Sns": {"MessageId": "m-1", "Message": json.dumps(ALARM), "Subject": None}, "EventSource": "aws:sns"}
    async with LambdaService(list(functions(bundle, slack))) as service:
        for name in ("notify", "failover", "reconcile"):
            done = await service.invoke(
                name, json.dumps({"Records": [message]} if name != "reconcile" else {}).encode()
            )
            assert not done.failed, done.payload
        assert ["no-healthy-host" in post for post in slack.posts] == [True]
        for name in ("clean_images", "clean_logs"):
            done = await service.invoke(name, b"{}")
            assert done.function_error == "Unhandled", "AWS refuses, so nothing is known, and nothing cleaned"
            assert "AccessDenied" in json.loads(done.payload)["errorMessage"]
        inits = {name: round(max(one["init_ms"])) for name, one in service.status()["functions"].items()}
    print(f"\nfrom start to ready, in ms: {inits}")


async def test_an_alarm_that_slack_never_takes_ends_in_the_dead_letters_as_it_came(
    bundle: Bundle, slack: Slack, tmp_path: Path
) -> None:
    dead, asked = tmp_path / "dead.jsonl", f"{slack.url}/gone"
    (notify,) = [function for function in functions(bundle, slack) if function.name == "notify"]
    settings = {**notify.environment, "SLACK_SECRET": json.dumps({"webhook": asked})}
    message = {"Sns": {"MessageId": "m-2", "Message": json.dumps(ALARM), "Subject": None}, "EventSource": "aws:sns"}
    event = json.dumps({"Records": [message]}).encode()
    async with LambdaService([replace(notify, environment=settings, dead_letters=dead)], retry=(0, 0)) as service:
        assert service.send("notify", event).status == 202
        await service.settled()
        assert service.status()["functions"]["notify"]["errors"] == 3
    (letter,) = [json.loads(line) for line in dead.read_text().splitlines()]
    assert letter["body"] == event.decode()
    assert letter["ErrorMessage"].startswith("DeliveryFailed: Slack refused a message")
    assert slack.posts == []
