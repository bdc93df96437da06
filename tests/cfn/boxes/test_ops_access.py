"""Each function of the operations app may do what its code calls, and nothing more."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cfn.names import title
from cfn.operations import HANDLERS
from chalicelib.ledger import PowertoolsLedger
from chalicelib.memory import Change, Memory
from chalicelib.messages import Posted
from tests.cfn.boxes.test_permissions import roles, statements
from tests.cfn.rendered import Rendered
from tests.chalice_app.calls import CALLS
from tests.chalice_app.stage import NOON

# What Lambda, and the runtime around the code, do with the role.
AROUND = {"kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}
TELLING = {"secretsmanager:GetSecretValue"}
TELLING_ONCE = {"notify", "reconcile"}


@pytest.fixture(scope="module")
def remembering() -> Iterator[set[str]]:
    """The calls with which the app remembers what it has told, as its own code makes them."""
    made: set[str] = set()
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="told",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.meta.events.register("before-call", lambda model, **_: made.add(f"dynamodb:{model.name}"))
        ledger = PowertoolsLedger(client, "told")
        assert ledger.begin("a", 60) == "new"
        ledger.finish("a")
        assert ledger.begin("a", 60) == "done"
        assert ledger.begin("b", 60) == "new"
        ledger.abandon("b")
        unavailable: list[str] = []
        memory = Memory(
            table="told", client=lambda: client, now=lambda: NOON, count=lambda name, *_, **__: unavailable.append(name)
        )
        for minute in range(50):
            assert memory.note("alarm", Change(NOON + timedelta(minutes=minute), "ALARM")) is not None
        memory.keep("alarm", raised=Posted(channel="C1", ts="1.2"), summary=None)
        memory.unsettle("alarm")
        assert memory.restless() == ["alarm"]
        memory.settle("alarm")
        assert memory.recall("alarm") is not None
        assert unavailable == []
        yield made


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.name)
def test_a_function_may_do_what_its_code_calls_and_nothing_more(
    handler: Any, prod: Rendered, remembering: set[str]
) -> None:
    role = roles(prod)[f"ops/{title(handler.name)}Role"]
    allowed = [action for statement in statements(role) for action in statement["Action"]]
    called = {*CALLS.get(handler.name, ()), *(remembering if handler.name in TELLING_ONCE else ())}
    assert set(allowed) == called | TELLING | AROUND
    assert len(allowed) == len(set(allowed))


def test_only_what_is_moved_or_cleaned_is_named(prod: Rendered) -> None:
    """Statements that act, by the type of what they act on."""
    acting = {"Move": "ListenerRule", "CleanImages": "Repository", "Remember": "Table", "LeaveWhatFailed": "Queue"}
    seen = set()
    for handler in HANDLERS:
        role = roles(prod)[f"ops/{title(handler.name)}Role"]
        for statement in statements(role):
            if kind := acting.get(statement["Sid"]):
                seen.add(statement["Sid"])
                found = prod.all_of("ops", statement["Resource"])
                types = {prod.titled(*key).type.rpartition("::")[2] for key in found}
                assert types == {kind}
                assert len(found) == len(statement["Resource"])
    assert seen == set(acting)
