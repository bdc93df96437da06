"""The emulator against AWS's own runtime client: what ends a sandbox, what it survives, and that none outlives us."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_lambda import LambdaClient

from scripts.benches import cold
from scripts.builds import archive, packages
from scripts.builds.functions import Bundle
from scripts.builds.inspection import LARGEST as LARGEST_ZIP
from scripts.builds.targets import Target
from scripts.places import ROOT
from scripts.terminal import Problem
from scripts.twin.functions import code
from scripts.twin.functions.runtime_api import LARGEST
from scripts.twin.functions.service import function_trace
from scripts.twin.lambda_runtime import Function, Invocation, LambdaService, read, served
from scripts.twin.postgres import free_port
from tests.scripts.needs import downloaded
from tests.scripts.survivors import gone, running

HANDLERS = """
import json, os, signal, subprocess, threading, time
from pathlib import Path

ticks, gaps = 0, [0.0]

def tick():
    global ticks
    last = time.monotonic()
    while True:
        time.sleep(0.001)
        now = time.monotonic()
        gaps.append(now - last)
        ticks, last = ticks + 1, now

def echo(event, context):
    return event

def surroundings(event, context):
    try:
        Path("new").touch()
        writable = True
    except OSError:
        writable = False
    return {"env": dict(os.environ), "cwd": os.getcwd(), "writable": writable, "id": context.aws_request_id,
            "left": context.get_remaining_time_in_millis(), "arn": context.invoked_function_arn,
            "memory": context.memory_limit_in_mb, "client": context.client_context, "uid": os.getuid()}

def careless(event, context):
    how = event.get("how")
    if how == "raise": raise ValueError("no such luck")
    if how == "exit": os._exit(3)
    if how == "leave": os._exit(0)
    if how == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if how == "sleep": time.sleep(60)
    if how == "object": return object()
    if how == "large": return "x" * (7 << 20)
    if how == "print": print("one", flush=True); print("two", flush=True)
    if how == "child": return subprocess.Popen(["sleep", "600"]).pid
    if how == "escape": return subprocess.Popen(["sleep", "600"], start_new_session=True).pid
    return os.getpid()

def frozen(event, context):
    if not ticks: threading.Thread(target=tick, daemon=True).start()
    largest, gaps[:] = max(gaps), [0.0]
    time.sleep(0.02)
    return {"ticks": ticks, "gap": max(largest, *gaps), "pid": os.getpid()}

def waits(event, context):
    while not Path(event["until"]).exists():
        time.sleep(0.01)

def records(event, context):
    with open(event["file"], "a") as file: file.write("tried\\n")
    if len(Path(event["file"]).read_text().splitlines()) < event["good_after"]: raise RuntimeError("not yet")
"""
SLOW_ONCE = """
import os, time
from pathlib import Path
if not Path(os.environ["MARK"]).exists():
    Path(os.environ["MARK"]).touch()
    time.sleep(60)
def handler(event, context): return "late"
"""


@pytest.fixture(scope="module", autouse=True)
def runtime() -> Path:
    return downloaded(code.runtime)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "code"
    place.mkdir()
    (place / "fn.py").write_text(HANDLERS)
    (place / "broken.py").write_text("import nothing_of_that_name\n")
    (place / "leaves.py").write_text("import os; os._exit(4)\n")
    (place / "slow.py").write_text(SLOW_ONCE)
    return place


def function(folder: Path, handler: str, **more: Any) -> Function:
    name = handler if "." in handler else f"fn.{handler}"
    return Function(name=handler.partition(".")[0], handler=name, code=folder, **more)


def said(invocation: Invocation) -> Any:
    assert invocation.status == 200, invocation
    return json.loads(invocation.payload)


async def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)


def how(name: str) -> bytes:
    return json.dumps({"how": name}).encode()


async def test_a_sandbox_has_the_environment_of_aws_and_nothing_of_this_machine(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "leaked")
    monkeypatch.setenv("LEAKED", "yes")
    archive.write(tmp_path / "x.zip", archive.below(folder))
    own = {"COLOUR": "blue", "AWS_LAMBDA_FUNCTION_NAME": "forged"}
    shop = Function(
        name="shop", handler="fn.surroundings", zip=tmp_path / "x.zip", environment=own, timeout=9, memory=512
    )
    async with LambdaService([shop]) as service:
        seen = said(await service.invoke("shop", b"{}", trace_id="Self=1-2-4;Root=1-2-3;Parent=5;Sampled=0"))
    assert seen["env"].pop("COLOUR") == "blue"
    expected = {"AWS_LAMBDA_FUNCTION_NAME": "shop", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_REGION": "us-east-1"}
    assert expected.items() <= seen["env"].items()
    assert seen["env"]["_HANDLER"] == "fn.surroundings"
    assert seen["env"]["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/shop"
    assert seen["env"]["_X_AMZN_TRACE_ID"] == "Root=1-2-3;Parent=5;Sampled=0"
    allowed = ("AWS_", "LAMBDA_", "_", "LC_CTYPE")
    assert {key for key in seen["env"] if not key.startswith(allowed)} == {"LANG", "PATH", "TZ"}
    assert seen["cwd"] == seen["env"]["LAMBDA_TASK_ROOT"]
    assert 5_000 < seen["left"] <= 9_000
    assert seen["arn"].endswith(":function:shop")
    assert (seen["memory"], seen["client"]) == ("512", None)
    assert seen["writable"] is (seen["uid"] == 0)  # root, where user namespaces are forbidden, cannot be kept from it


async def test_the_second_event_finds_a_warm_sandbox(folder: Path) -> None:
    async with LambdaService([function(folder, "echo")]) as service:
        first, second = await service.invoke("echo", b'{"a": 1}'), await service.invoke("echo", b"[2]")
        assert (said(first), first.cold, said(second), second.cold) == ({"a": 1}, True, [2], False)
        status = service.status()["functions"]["echo"]
    assert (status["cold_starts"], len(status["init_ms"]), len(status["warm_ms"])) == (1, 1, 1)
    assert status["init_ms"][0] > status["warm_ms"][0]


@pytest.mark.parametrize(("fault", "kind"), [("raise", "ValueError"), ("object", "Runtime.MarshalError")])
async def test_an_error_of_the_handler_is_told_and_survived(folder: Path, fault: str, kind: str) -> None:
    async with LambdaService([function(folder, "careless")]) as service:
        before = said(await service.invoke("careless", b"{}"))
        failed = await service.invoke("careless", how(fault))
        assert (failed.function_error, said(failed)["errorType"]) == ("Unhandled", kind)
        assert said(await service.invoke("careless", b"{}")) == before
        assert service.status()["functions"]["careless"]["errors"] == 1


@pytest.mark.parametrize(
    ("fault", "kind", "message", "death"),
    [
        ("exit", "Runtime.ExitError", "exited with error: exit status 3", "exited with error: exit status 3"),
        ("leave", "Runtime.ExitError", "exited without providing a reason", "exited without providing a reason"),
        ("kill", "Runtime.ExitError", "signal: SIGKILL", "exited with error: signal: SIGKILL"),
        ("sleep", "Sandbox.Timedout", "Task timed out after 0.50 seconds", "timeout"),
        ("large", "Function.ResponseSizeTooLarge", f"payload size ({LARGEST} bytes)", None),
    ],
)
async def test_what_ends_a_sandbox_is_told_and_the_next_event_gets_a_new_one(
    folder: Path, fault: str, kind: str, message: str, death: str | None
) -> None:
    seconds = 0.5 if fault == "sleep" else 28
    async with LambdaService([function(folder, "careless", timeout=seconds)]) as service:
        before = said(await service.invoke("careless", b"{}"))
        failed = await service.invoke("careless", how(fault))
        assert (failed.function_error, said(failed)["errorType"]) == ("Unhandled", kind)
        assert message in said(failed)["errorMessage"]
        assert not running(before)
        after = await service.invoke("careless", b"{}")
        assert after.cold
        assert said(after) != before
        deaths = service.status()["functions"]["careless"]["deaths"]
    assert [*deaths.values()] == [1]
    assert death is None or death in deaths


async def test_what_a_handler_left_running_ends_with_its_sandbox(folder: Path) -> None:
    async with LambdaService([function(folder, "careless")]) as service:
        child = said(await service.invoke("careless", how("child")))
        assert running(child)
        await service.invoke("careless", how("exit"))
        assert gone([child], within=10)


async def test_whoever_leaves_its_sandbox_does_not_keep_it_alive(folder: Path) -> None:
    async with LambdaService([function(folder, "careless")]) as service:
        child = said(await service.invoke("careless", how("escape")))
        await service.invoke("careless", how("exit"))
        assert service.status()["functions"]["careless"]["sandboxes"] == 0
    os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(
    ("handler", "kind"), [("broken.handler", "Runtime.ImportModuleError"), ("leaves.handler", "Runtime.ExitError")]
)
async def test_a_sandbox_that_cannot_load_is_tried_twice_and_told(folder: Path, handler: str, kind: str) -> None:
    service = LambdaService([function(folder, handler)])
    name = handler.partition(".")[0]
    async with service:
        failed = await service.invoke(name, b"{}")
        assert (failed.function_error, said(failed)["errorType"]) == ("Unhandled", kind)
        assert service.status()["functions"][name]["cold_starts"] == 2
        assert service.status()["functions"][name]["sandboxes"] == 0


async def test_an_init_that_takes_too_long_is_done_again_in_the_time_of_the_function(
    folder: Path, tmp_path: Path
) -> None:
    slow = function(folder, "slow.handler", environment={"MARK": str(tmp_path / "mark")})
    async with LambdaService([slow], init=1.5) as service:
        assert said(await service.invoke("slow", b"{}")) == "late"
        assert service.status()["functions"]["slow"]["deaths"] == {"init took more than 1.5 s": 1}


async def test_above_the_reserved_concurrency_the_answer_is_429_at_once(folder: Path, tmp_path: Path) -> None:
    event = json.dumps({"until": str(tmp_path / "go")}).encode()
    async with LambdaService([function(folder, "waits", concurrency=2)]) as service:
        two = [asyncio.create_task(service.invoke("waits", event)) for _ in range(2)]
        await until(lambda: service.status()["functions"]["waits"].get("busy") == 2)
        third = await service.invoke("waits", event)
        assert (third.status, json.loads(third.payload)["Reason"]) == (
            429,
            "ReservedFunctionConcurrentInvocationLimitExceeded",
        )
        (tmp_path / "go").touch()
        assert [each.status for each in await asyncio.gather(*two)] == [200, 200]
        assert (await service.invoke("waits", event)).status == 200
        assert service.status()["functions"]["waits"]["throttles"] == 1


async def test_between_events_a_sandbox_stands_still(folder: Path) -> None:
    async with LambdaService([function(folder, "frozen")]) as service:
        pid = said(await service.invoke("frozen", b"{}"))["pid"]
        await until(lambda: state(pid) == "T")
        await asyncio.sleep(0.5)
        seen = said(await service.invoke("frozen", b"{}"))
        assert seen["pid"] == pid
        assert seen["ticks"] > 0
        assert seen["gap"] > 0.45  # of a thread that wakes every millisecond


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_what_sandboxes_write_is_handed_on_line_by_line(folder: Path) -> None:
    lines: list[tuple[str, str]] = []
    async with LambdaService([function(folder, "careless")], listen=lambda *line: lines.append(line)) as service:
        await service.invoke("careless", how("print"))
        await service.invoke("careless", how("raise"))
        await until(lambda: any("no such luck" in line for _, line in lines))
    assert lines[:2] == [("careless", "one"), ("careless", "two")]
    assert not [line for _, line in lines if "\r" in line or "\n" in line]
    assert [line for _, line in lines if line.strip().startswith('File "') or "Traceback" in line]


async def test_a_sandbox_that_nobody_needs_is_closed(folder: Path) -> None:
    async with LambdaService([function(folder, "careless")], idle=0.1) as service:
        pid = said(await service.invoke("careless", b"{}"))
        await until(lambda: service.status()["functions"]["careless"]["deaths"] == {"idle": 1})
        assert gone([pid], within=10)
        assert service.status()["functions"]["careless"]["sandboxes"] == 0


async def test_one_that_died_while_it_stood_still_is_not_used(folder: Path) -> None:
    async with LambdaService([function(folder, "careless")]) as service:
        pid = said(await service.invoke("careless", b"{}"))
        os.kill(pid, signal.SIGKILL)
        await until(lambda: service.status()["functions"]["careless"]["sandboxes"] == 0)
        assert said(await service.invoke("careless", b"{}")) != pid


@pytest.mark.parametrize(("good_after", "tries", "letters"), [(3, 3, 0), (9, 3, 1)])
async def test_an_asynchronous_event_is_tried_three_times_and_then_given_up(
    folder: Path, tmp_path: Path, good_after: int, tries: int, letters: int
) -> None:
    dead = tmp_path / "dead.jsonl"
    event = json.dumps({"file": str(tmp_path / "tries"), "good_after": good_after}).encode()
    async with LambdaService([function(folder, "records", dead_letters=dead)], retry=(0, 0)) as service:
        assert service.send("records", event).status == 202
        await service.settled()
        assert service.status()["functions"]["records"]["dead_letters"] == letters
    assert len((tmp_path / "tries").read_text().splitlines()) == tries
    found = [json.loads(line) for line in dead.read_text().splitlines()] if dead.exists() else []
    assert [(each["body"], each["ErrorMessage"]) for each in found] == [(event.decode(), "not yet")] * letters


# --- the Invoke API ---------------------------------------------------------------------------------------------------


def client(url: str) -> LambdaClient:
    return boto3.client(
        "lambda",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )


async def test_boto3_finds_what_it_expects(folder: Path, tmp_path: Path) -> None:
    functions = [function(folder, "careless"), function(folder, "waits", concurrency=1)]
    async with LambdaService(functions, retry=()) as service, served(service) as url:
        aws = client(url)

        def talk() -> None:
            good = aws.invoke(FunctionName="careless", Payload=b"{}")
            assert (good["StatusCode"], "FunctionError" in good, good["ExecutedVersion"]) == (200, False, "$LATEST")
            assert isinstance(json.load(good["Payload"]), int)
            arn = "arn:aws:lambda:us-east-1:000000000000:function:careless:live"
            bad = aws.invoke(FunctionName=arn, Payload=how("raise"))
            assert (bad["StatusCode"], bad["FunctionError"]) == (200, "Unhandled")
            assert json.load(bad["Payload"])["errorMessage"] == "no such luck"
            queued = aws.invoke(FunctionName="careless", InvocationType="Event", Payload=b"{}")
            assert (queued["StatusCode"], queued["Payload"].read()) == (202, b"")
            with pytest.raises(aws.exceptions.ResourceNotFoundException, match="Function not found: nobody"):
                aws.invoke(FunctionName="nobody")
            with pytest.raises(ClientError, match="Request must be smaller than 1048576 bytes"):
                aws.invoke(FunctionName="careless", InvocationType="Event", Payload=b'"' + b"x" * (1 << 20) + b'"')
            with pytest.raises(ClientError, match="Request must be smaller than 6291456 bytes"):
                aws.invoke(FunctionName="careless", Payload=b'"' + b"x" * (6 << 20) + b'"')

        def refused() -> None:
            with pytest.raises(aws.exceptions.TooManyRequestsException, match="Rate Exceeded"):
                aws.invoke(FunctionName="waits", Payload=b"{}")

        await asyncio.to_thread(talk)
        await service.settled()
        event = json.dumps({"until": str(tmp_path / "go")}).encode()
        busy = asyncio.create_task(service.invoke("waits", event))
        await until(lambda: service.status()["functions"]["waits"].get("busy") == 1)
        await asyncio.to_thread(refused)
        (tmp_path / "go").touch()
        await busy
        aws.close()


def test_killed_with_its_sandboxes_frozen_it_leaves_none(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "functions.json"
    members = {"name": "careless", "service": "", "handler": "fn.careless", "zip": None, "code": str(folder)}
    file.write_text(json.dumps({"functions": [members]}))
    script = (
        "import asyncio, sys; from pathlib import Path; from scripts.twin import lambda_runtime as it\n"
        "async def main():\n"
        "    async with it.LambdaService(it.read(Path(sys.argv[1]))) as service, it.served(service) as url:\n"
        "        print(url, flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", script, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/2015-03-31/functions/careless/invocations", data=b"{}") as answer:  # noqa: S310
            pid = json.load(answer)
        with urllib.request.urlopen(f"{url}/sandboxes") as answer:  # noqa: S310
            assert json.load(answer)["functions"]["careless"]["pids"] == [pid]
        process.kill()
    assert gone([pid], within=20)


def test_the_program_serves_until_it_is_asked_to_stop(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "functions.json"
    file.write_text(json.dumps({"functions": [{"name": "e", "handler": "fn.careless", "code": str(folder)}]}))
    port = str(free_port())
    command = [sys.executable, "-m", "scripts.twin.lambda_runtime", "--port", port, "--functions", str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        wait_for(f"http://127.0.0.1:{port}/healthz")
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/e/invocations"
        with urllib.request.urlopen(url, data=how("print")) as answer:
            pid = json.load(answer)
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output == "e: one\ne: two\n"
    assert gone([pid], within=10)


def wait_for(url: str) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url):  # noqa: S310
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"{url} does not answer")


@pytest.mark.parametrize("text", ["", "[]", '{"functions": [{"name": "x"}]}', '{"functions": [{"colour": 1}]}'])
def test_a_file_that_describes_no_functions_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "functions.json").write_text(text)
    with pytest.raises(Problem, match=r"does not describe functions|A function cannot be read"):
        read(tmp_path / "functions.json")


async def test_a_zip_that_cannot_be_made_is_an_error_of_the_service_and_said_once(tmp_path: Path) -> None:
    lines: list[str] = []
    absent = Function(name="x", handler="x.y", zip=tmp_path / "absent.zip")
    async with LambdaService([absent], listen=lambda _, line: lines.append(line)) as service:
        refused = [await service.invoke("x", b"{}") for _ in range(2)]
        assert {(each.status, each.kind) for each in refused} == {(502, "ServiceException")}
        assert service.status()["functions"]["x"]["prepared"] is False
    assert len(lines) == 1


# --- the services themselves ------------------------------------------------------------------------------------------


async def test_a_service_answers_from_its_zip() -> None:
    """And by a scheduled invocation it works in the background, which fails here: there is no database."""
    order = cold.configured("order")
    downloaded(lambda: code.unpacked(order))
    async with LambdaService([order]) as service:
        answer = said(await service.invoke(order.name, json.dumps(cold.EVENT).encode()))
        assert answer["statusCode"] == 200
        assert answer["multiValueHeaders"]["x-served-by"] == ["lambda"]
        work = await service.invoke(order.name, b'{"run": "background"}')
        assert work.function_error == "Unhandled"
        assert not work.cold


def test_a_cold_start_is_measured_in_the_environment_of_a_sandbox(runtime: Path) -> None:
    order = cold.configured("order")
    measured = cold.start(order, downloaded(lambda: code.unpacked(order)), runtime)
    assert 0 < measured.import_ms < measured.answer_ms
    assert 0 < measured.fastapi_ms < measured.answer_ms
    assert measured.modules > 300


@pytest.mark.parametrize(
    ("answer_ms", "size", "good"), [(450.0, LARGEST_ZIP, True), (451.0, 1, False), (1.0, LARGEST_ZIP + 1, False)]
)
def test_both_goals_decide_about_a_cold_start(answer_ms: float, size: int, good: bool) -> None:
    starts = [cold.Start(1.0, each, 100.0, 500) for each in (1.0, answer_ms, 9000.0)]
    line, held = cold.judge("order", starts, Bundle(Path("x.zip"), size, 500, "0"))
    assert held is good
    assert f"{answer_ms / 100:.2f} x" in line
    assert ("too much" in line) is not good


def test_what_powertools_needs_of_itself_is_in_the_zips(runtime: Path) -> None:
    tree = downloaded(lambda: packages.packages(Target.here())).tree
    command = [str(runtime), "-c", "from aws_lambda_powertools.utilities.parameters import SecretsProvider"]
    done = subprocess.run(command, cwd=tree, env={}, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=1"),
        ("Root=1-2-3", r"Root=1-2-3;Parent=[0-9a-f]{16};Sampled=1"),
        ("Self=1-2-4;Root=1-2-3;Parent=5;Sampled=0", r"Root=1-2-3;Parent=5;Sampled=0"),
    ],
)
def test_a_function_is_told_its_trace_its_parent_and_a_decision(given: str, expected: str) -> None:
    assert re.fullmatch(expected, function_trace(given))
