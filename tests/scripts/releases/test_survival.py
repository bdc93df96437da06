"""A deployment that is killed at any step, or talks to an AWS that throttles, fails and drops connections, ends where
an undisturbed one does, when it is run again."""

import io
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.rehearsals.acts import QUICK
from scripts.rehearsals.cloud import Cloud
from scripts.releases.applying import Applier
from scripts.releases.aws import Aws
from scripts.releases.live import Can, resources
from scripts.terminal import Terminal
from tests.scripts.releases.accounts import Landing, carry_out, landing, plan, wanting
from tests.scripts.releases.flaky import flaky

WRITES = {
    "CreateChangeSet",
    "DeleteChangeSet",
    "DeleteStack",
    "ExecuteChangeSet",
    "PutObject",
    "UpdateTerminationProtection",
}

MOMENTS = ("before-send", "after-call")


def settled(where: Landing, aws: Aws) -> dict[str, set[str]]:
    """The resources of each stack, when every stack is what it should be and nothing else is left."""
    found = plan(aws, where.asked)
    assert list(wanting(found)) == []
    assert {name for name, one in found.live.items() if one is None or one.can is not Can.UPDATE} == set()
    for stack in found.stacks:
        live = found.live[stack.name]
        assert live is not None
        assert live.protected == (stack.row.stateful and where.environment.protected)
    bucket = resources(aws.cloudformation, found.stacks[0].name)["Artifacts"]["PhysicalResourceId"]
    keys = {one["Key"] for one in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {f"v1/{name}.zip" for name in ("product", "order", "frontend", "ops")}
    return {name: set(resources(aws.cloudformation, name)) for name in found.live}


def protected(emulated: Cloud, zips: Path) -> Landing:
    """With termination protection, which is one more step."""
    found = landing(emulated, zips)
    return replace(found, environment=replace(found.environment, protected=True))


def dying(aws: Aws, at: int, when: str) -> None:
    """SIGKILL to this process at its so-manieth change, just before it is asked for or just after it was answered."""
    seen = 0

    def count(**_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    for client in (aws.cloudformation, aws.s3):
        for write in WRITES:
            client.meta.events.register(f"{when}.*.{write}", count)


def killed(where: Landing, at: int, when: str) -> bool:
    """A deployment in a process of its own that dies; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            aws = where.aws
            dying(aws, at, when)
            carry_out(aws, plan(aws, where.asked))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the deployment failed by itself"
    return False


@pytest.fixture(scope="module")
def undisturbed(emulated: Cloud, zips: Path) -> dict[str, set[str]]:
    where = protected(emulated, zips)
    begun(where)
    carry_out(where.aws, plan(where.aws, where.asked))
    return settled(where, where.aws)


def begun(where: Landing) -> None:
    """With a registry that holds the images: what a person does between two deployments is not what is tried here."""
    aws = where.aws
    first = plan(aws, where.asked).stacks[0]
    Applier(aws=aws, terminal=Terminal(io.StringIO()), clock=QUICK).apply(first, protect=True)
    where.push(aws, "v1")


def test_a_deployment_killed_at_any_step_is_finished_by_the_next(
    emulated: Cloud, zips: Path, undisturbed: dict[str, set[str]]
) -> None:
    where = protected(emulated, zips)
    begun(where)
    deaths = 0
    while killed(where, at=deaths % 9 + 1, when=MOMENTS[deaths % 2]):
        deaths += 1
        assert deaths < 100
    assert deaths >= 6
    assert settled(where, where.aws) == undisturbed


def test_throttled_failing_and_dropped_requests_change_nothing_about_the_end(
    emulated: Cloud, zips: Path, undisturbed: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))  # the waits between tries
    where = protected(emulated, zips)
    begun(where)
    with flaky(emulated.endpoint, seed=7) as proxy:
        aws = where.through(proxy.endpoint)
        carry_out(aws, plan(aws, where.asked))
    assert proxy.faults >= 30
    assert settled(where, where.aws) == undisturbed
