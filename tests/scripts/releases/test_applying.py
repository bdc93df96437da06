"""Stacks that somebody left in a bad state, and what goes wrong on the way: taken up, cleared away, or explained."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cfn.stacks import Row, Stack
from scripts.rehearsals import cloud
from scripts.rehearsals.acts import QUICK
from scripts.rehearsals.cloud import Cloud
from scripts.releases import change_sets
from scripts.releases.applying import Applier
from scripts.releases.aws import Aws
from scripts.releases.live import Can, can, look, resources
from scripts.terminal import Problem, Terminal
from tests.scripts.releases.accounts import Landing, landing


def stack(name: str, **more: Any) -> Stack:
    """A queue, and what is said of other resources."""
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}
    body = {
        "Parameters": {"Seconds": {"Type": "Number", "Default": 30}},
        "Resources": {"Queue": queue, **more},
    }
    return Stack(Row(name, "for a test", ()), f"tandem-test-{name}", json.dumps(body), {"Seconds": "30"}, ())


def record(*waits: str) -> dict[str, Any]:
    """What no update survives: its zone is not there."""
    properties = {"HostedZoneId": "ZNOWHERE", "Name": "x.test", "Type": "A", "ResourceRecords": ["192.0.2.1"]}
    return {"Type": "AWS::Route53::RecordSet", "DependsOn": list(waits), "Properties": properties}


def log(policy: str) -> dict[str, Any]:
    return {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": policy, "Properties": {"LogGroupName": "/tandem/test"}}


@pytest.fixture(scope="module")
def account(emulated: Cloud, zips: Path) -> Landing:
    """One for all: every test has stacks of its own."""
    return landing(emulated, zips)


@pytest.fixture(scope="module")
def aws(account: Landing) -> Aws:
    return account.aws


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def applier(aws: Aws, said: io.StringIO) -> Applier:
    return Applier(aws=aws, terminal=Terminal(said), clock=QUICK)


def test_a_stack_is_made_then_left_alone_then_changed(applier: Applier, aws: Aws, said: io.StringIO) -> None:
    first = stack("plain")
    assert applier.apply(first, protect=False)
    assert not applier.apply(first, protect=False)
    assert "tandem-test-plain: nothing to do" in said.getvalue()
    assert applier.apply(replace(first, parameters={"Seconds": "40"}), protect=True)
    assert "~ Queue (SQS::Queue): VisibilityTimeout" in said.getvalue()
    live = look(aws.cloudformation, first.name)
    assert live is not None
    assert (live.parameters, live.protected) == ({"Seconds": "40"}, True)


def test_a_first_creation_that_failed_names_its_cause_and_is_cleared_away_by_the_next(
    applier: Applier, account: Landing, aws: Aws, said: io.StringIO
) -> None:
    bad = stack("first", Log=log("Retain"), Record=record("Queue", "Log"))
    with pytest.raises(Problem, match=r"failed at Record \(AWS::Route53::RecordSet\): No hosted zone .* is gone again"):
        applier.apply(bad, protect=False)
    groups = cloud.client(account.session, account.cloud, "logs").describe_log_groups()["logGroups"]
    assert groups == []  # nor is what is kept otherwise in the way of the next try
    good = stack("first", Log=log("Retain"))
    assert applier.apply(good, protect=False)
    assert "is ROLLBACK_COMPLETE: its first creation failed, so it is cleared away" in said.getvalue()
    assert set(resources(aws.cloudformation, good.name)) == {"Queue", "Log"}


def test_a_change_set_that_nobody_carried_out_is_no_hindrance(applier: Applier, aws: Aws) -> None:
    wanted = stack("review")
    assert change_sets.make(aws.cloudformation, wanted, new=True, role=None, clock=QUICK)
    live = look(aws.cloudformation, wanted.name)
    assert live is not None
    assert live.status == "REVIEW_IN_PROGRESS"
    assert applier.apply(wanted, protect=False)


def test_what_another_deployment_has_begun_is_followed_to_its_end(
    applier: Applier, aws: Aws, said: io.StringIO
) -> None:
    wanted = stack("begun")
    assert applier.apply(wanted, protect=False)

    class AtWork:
        """CloudFormation that is still busy with the stack when one looks, and looks again."""

        busy = 3

        def describe_stacks(self, **asked: Any) -> Any:
            found = aws.cloudformation.describe_stacks(**asked)
            if self.busy:
                self.busy -= 1
                found["Stacks"][0]["StackStatus"] = "UPDATE_IN_PROGRESS"
            return found

        def __getattr__(self, name: str) -> Any:
            return getattr(aws.cloudformation, name)

    hidden = AtWork()
    assert not replace(applier, aws=replace(aws, cloudformation=hidden)).apply(wanted, protect=False)
    assert hidden.busy == 0
    assert "is UPDATE_IN_PROGRESS; following what is under way" in said.getvalue()


def test_a_request_whose_answer_was_lost_may_be_made_again(aws: Aws, said: io.StringIO) -> None:
    class Twice:
        """A client that has carried out everything before it asks for it."""

        def __getattr__(self, name: str) -> Any:
            call = getattr(aws.cloudformation, name)

            def again(**asked: Any) -> Any:
                call(**asked)
                return call(**asked)

            return again if name in {"create_change_set", "execute_change_set"} else call

    applier = Applier(aws=replace(aws, cloudformation=Twice()), terminal=Terminal(said), clock=QUICK)
    assert applier.apply(stack("twice"), protect=False)
    assert not applier.apply(stack("twice"), protect=False)


def test_a_rollback_that_got_stuck_is_tried_again_and_then_explained(aws: Aws, said: io.StringIO) -> None:
    class Stuck:
        """CloudFormation with a stack whose rollback fails, again and again."""

        def describe_stacks(self, **_: Any) -> Any:
            status = {"StackStatus": "UPDATE_ROLLBACK_FAILED", "StackStatusReason": "Queue is in use."}
            return {"Stacks": [{"StackId": "id", "StackName": "s", **status}]}

        def get_template(self, **_: Any) -> Any:
            return {"TemplateBody": json.loads(stack("stuck").body)}

        def continue_update_rollback(self, *, ClientRequestToken: str, **_: Any) -> None:  # noqa: N803
            self.token = ClientRequestToken

        def get_paginator(self, _: str) -> Any:
            return self

        def paginate(self, **_: Any) -> Iterator[Any]:
            told = (("Queue", "UPDATE_FAILED"), ("s", "UPDATE_ROLLBACK_IN_PROGRESS"))  # newest first
            yield {"StackEvents": [self.event(resource, status) for resource, status in told]}

        def event(self, resource: str, status: str) -> dict[str, Any]:
            kind = "AWS::SQS::Queue" if resource == "Queue" else "AWS::CloudFormation::Stack"
            return {
                "EventId": status,
                "StackId": "id",
                "LogicalResourceId": resource,
                "PhysicalResourceId": "id" if resource == "s" else "q",
                "ResourceType": kind,
                "ResourceStatus": status,
                "ResourceStatusReason": "Somebody holds it",
                "Timestamp": datetime(2026, 1, 1, tzinfo=UTC),
                "ClientRequestToken": self.token,
            }

    applier = Applier(aws=replace(aws, cloudformation=Stuck()), terminal=Terminal(said), clock=QUICK)
    with pytest.raises(Problem, match=r"stuck again: Queue \(.*\): Somebody holds it.*--resources-to-skip Queue\."):
        applier.apply(stack("stuck"), protect=False)


def test_ctrl_c_leaves_the_work_to_cloudformation_and_says_so(aws: Aws, said: io.StringIO) -> None:
    class Hasty:
        """Somebody presses Ctrl-C at the first look at what goes on."""

        def get_paginator(self, _: str) -> Any:
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:
            return getattr(aws.cloudformation, name)

    applier = Applier(aws=replace(aws, cloudformation=Hasty()), terminal=Terminal(said), clock=QUICK)
    with pytest.raises(KeyboardInterrupt):
        applier.apply(stack("interrupt"), protect=False)
    assert "CloudFormation goes on with tandem-test-interrupt; run the same command again" in said.getvalue()
    assert look(aws.cloudformation, "tandem-test-interrupt") is not None


@pytest.mark.parametrize(
    ("status", "next_"),
    [
        ("", Can.CREATE),
        ("REVIEW_IN_PROGRESS", Can.CREATE),
        ("DELETE_COMPLETE", Can.CREATE),
        ("CREATE_IN_PROGRESS", Can.WAIT),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Can.WAIT),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", Can.WAIT),
        ("ROLLBACK_IN_PROGRESS", Can.WAIT),
        ("ROLLBACK_COMPLETE", Can.CLEAR),
        ("ROLLBACK_FAILED", Can.CLEAR),
        ("CREATE_FAILED", Can.CLEAR),
        ("UPDATE_ROLLBACK_FAILED", Can.MEND),
        ("DELETE_FAILED", Can.NOTHING),
        ("UPDATE_ROLLBACK_COMPLETE", Can.UPDATE),
        ("CREATE_COMPLETE", Can.UPDATE),
        ("IMPORT_COMPLETE", Can.UPDATE),
    ],
)
def test_every_status_says_what_comes_next(status: str, next_: Can) -> None:
    assert can(status) is next_
