"""Traces of the real zips in AWS's own runtime client: subsegments of what Lambda made, and one trace over both."""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.runtime.tandem import Reply, Tandem, asked
from tests.services.traces import CALLER, ROOT, Agent, Seen, flat

pytestmark = pytest.mark.slow
OTHER = ROOT[:-1] + "9"


@pytest.fixture
def listening(shop: Tandem) -> Iterator[Agent]:
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        listener.bind(("127.0.0.1", shop.ports.traces))
        listener.setblocking(False)
        yield Agent(listener)


async def invoked(shop: Tandem, service: str, event: Any, trace: str) -> Reply:
    name = shop.deployment.function(service).name
    url = f"{shop.ports.lambda_url}/2015-03-31/functions/{name}/invocations"
    return await asked("POST", url, {"X-Amzn-Trace-Id": trace}, event)


def request(path: str) -> dict[str, Any]:
    return {"httpMethod": "GET", "path": path, "requestContext": {"elb": {}}, "headers": {"host": "shop"}, "body": ""}


async def test_an_event_that_lambda_samples_is_a_subsegment_under_its_segment(shop: Tandem, listening: Agent) -> None:
    """What the request's own header says counts for nothing beside it."""
    event = request("/products/categories")
    event["headers"] |= {"x-amzn-trace-id": f"Root={OTHER};Parent={CALLER};Sampled=0"}
    reply = await invoked(shop, "product", event, f"Root={ROOT};Parent={CALLER};Sampled=1")
    assert json.loads(reply.body)["statusCode"] == 200
    (document,) = listening.documents
    assert (document["type"], document["trace_id"], document["parent_id"]) == ("subsegment", ROOT, CALLER)
    assert document["name"] == "tandem-local-product"
    assert document["annotations"]["runtime"] == "lambda"
    assert "PostgreSQL" in {seen.name for seen in flat(document)}


async def test_an_event_that_lambda_does_not_sample_leaves_nothing(shop: Tandem, listening: Agent) -> None:
    event = request("/products/categories")
    event["headers"] |= {"x-amzn-trace-id": f"Root={OTHER};Parent={CALLER};Sampled=1"}
    reply = await invoked(shop, "product", event, f"Root={ROOT};Parent={CALLER};Sampled=0")
    assert json.loads(reply.body)["statusCode"] == 200
    assert listening.documents == []


async def test_a_round_of_background_work_without_work_leaves_nothing(shop: Tandem, listening: Agent) -> None:
    assert (await shop.work("product")).status == 200
    assert listening.documents == []


async def test_a_purchase_over_both_runtimes_is_one_trace(shop: Tandem, listening: Agent) -> None:
    """Gateway and order as functions, product in its container, all through the load balancer."""
    await shop.running("product", "order")
    await shop.weigh(100, 0, ("product",))
    await shop.weigh(0, 100, ("order", "frontend"))
    product_id = await shop.product(3)
    token = shop.sessions.issue().token
    headers = {
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": "traced-order",
        "X-Amzn-Trace-Id": f"Root={ROOT};Parent={CALLER};Sampled=1",
    }
    body = {"lines": [{"product_id": product_id, "qty": 1}]}
    for _ in range(60):  # cold functions may need more than one try
        reply = await asked("POST", f"{shop.url}/api/orders", headers, body)
        if reply.status == 201:
            break
        await asyncio.sleep(0.5)
    assert reply.status == 201
    seen = [one for one in listening.seen if one.trace_id == ROOT]
    assert token not in json.dumps(listening.documents)
    known = {one.id: one for one in seen}
    services = {one.name: one for one in seen if "route" in one.facts}
    assert {name: one.facts["runtime"] for name, one in services.items()} == {
        "tandem-local-frontend": "lambda",
        "tandem-local-order": "lambda",
        "tandem-local-product": "local",
    }
    # A function stands under the span that the load balancer made for its event, as under Lambda's own on AWS.
    alone = {one.name for one in seen if one.parent not in known}
    assert alone == {"tandem-local-frontend", "tandem-local-order"}
    assert way(known, services["tandem-local-product"]) == ["tandem-local-product", "tandem-local-order"], "by a call"
    (call,) = (one for one in seen if one.name == "tandem-local-order" and one is not services[one.name])
    assert way(known, call) == ["tandem-local-frontend"]


def way(known: dict[str, Seen], seen: Seen) -> list[str]:
    """The names of what it is within, from the inside out."""
    found = []
    while seen.parent in known:
        seen = known[seen.parent]
        found.append(seen.name)
    return found
