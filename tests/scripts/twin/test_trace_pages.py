"""`/_traces` in front of the shop: who sees what, and a whole trace over real sockets."""

import contextlib
import html.parser
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.types import Receive, Scope, Send

from scripts.twin.control.app import control_plane
from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.balancer import LoadBalancer
from scripts.twin.load_balancer.front_door import FrontDoor
from scripts.twin.traces import lines
from scripts.twin.traces.app import Door, routes
from scripts.twin.traces.receiver import Inbox, receive
from scripts.twin.traces.store import Traces
from tests.scripts.twin.balancing import HURRY, Mirror, answer, served
from tests.scripts.twin.deployments import local
from tests.scripts.twin.segments import TRACE, an_order, brought, call, datagram, kept, part, segment, statement
from tests.traces import Trace, new_trace, traced

PEOPLE = {"Accept": "text/html,*/*"}
PROGRAMS = {"Accept": "application/json"}
EVIL = "</pre><script>alert(1)</script>\"'&"


class Shop:
    """A front door with the pages of traces before it."""

    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self.http, self.url = http, f"http://127.0.0.1:{port}"

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(self.url + path, headers=headers) as answered:
            return answered.status, await answered.text()

    async def json(self, path: str) -> Any:
        return json.loads((await self.get(path, **PROGRAMS))[1])


@contextlib.asynccontextmanager
async def pages(traces: Traces, logs: Path | None = None) -> AsyncIterator[Shop]:
    """Before a shop that answers everything."""
    async with served(Door(Mirror(), routes(Inbox(traces), logs))) as port, aiohttp.ClientSession() as http:
        yield Shop(http, port)


@contextlib.asynccontextmanager
async def balanced(inbox: Inbox, products: Any) -> AsyncIterator[tuple[Shop, str]]:
    """Before the load balancer, with a product service that is `products`, and no target for others; the address of
    the control plane."""
    balancer = LoadBalancer(Account(local()), hurry=HURRY, ended=inbox.ended)
    async with contextlib.AsyncExitStack() as stack:
        balancer.register_service("product", f"127.0.0.1:{await stack.enter_async_context(served(products))}")
        await balancer.open()
        stack.push_async_callback(balancer.close)
        front = Door(FrontDoor(balancer, balancer.account.deployment.front_headers), routes(inbox, None))
        shop = await stack.enter_async_context(served(front))
        control = await stack.enter_async_context(served(control_plane(balancer, routes(inbox, None))))
        yield Shop(await stack.enter_async_context(aiohttp.ClientSession()), shop), f"http://127.0.0.1:{control}"


@pytest.fixture
async def receiving() -> AsyncIterator[tuple[Inbox, int]]:
    """With the port at which segments arrive."""
    inbox = Inbox(Traces())
    transport = await receive(inbox, 0)
    assert transport is not None
    yield inbox, transport.get_extra_info("sockname")[1]
    transport.close()


class Tracer(Mirror):
    """A product service that traces, and calls the order service to answer `/products/order`."""

    def __init__(self, receiver: int) -> None:
        super().__init__()
        self.shop = ""
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/products/order":
            await super().__call__(scope, receive, send)
            return
        header = dict(scope["headers"])[b"x-amzn-trace-id"].decode()
        trace = header.rpartition("Root=")[2].partition(";")[0]
        began, asking = time.time(), os.urandom(8).hex()
        named = {"X-Amzn-Trace-Id": f"Root={trace};Parent={asking};Sampled=1"}
        async with aiohttp.ClientSession() as http, http.get(f"{self.shop}/orders", headers=named) as found:
            status = found.status
        times = {"start_time": began, "end_time": time.time()}
        whole = segment(
            "product", fault=True, subsegments=[call("order", 0, 0, status) | times | {"id": asking, "fault": True}]
        )
        with socket.socket(type=socket.SOCK_DGRAM) as sending:
            sending.sendto(datagram(whole | times | {"trace_id": trace}), ("127.0.0.1", self._receiver))
        await answer(send, status, b"")


async def test_a_request_through_the_shop_is_one_trace_that_shows_where_it_broke(
    receiving: tuple[Inbox, int],
) -> None:
    inbox, port = receiving
    products = Tracer(port)
    async with balanced(inbox, products) as (shop, control):
        products.shop = shop.url
        header, identifier = new_trace()
        async with shop.http.get(f"{shop.url}/products/order?token=secret", headers=header) as answered:
            assert answered.status == 503
        hop = "load balancer"
        trace = await traced(shop.url, identifier, hop, "product", "tandem-local-order", hop)
        trace.nothing_is_missing()
        trace.every_span_ends_within_its_parent()
        broken = trace.find(kind="load-balancer", service="order")
        assert (broken.document["status"], broken.document["fault"]) == (503, True)
        assert broken.facts["why"] == "it has no target"
        assert trace.find(kind="load-balancer", service="product").facts["runtime"] == "fargate"
        assert "secret" not in json.dumps(trace.document)
        page = Reader((await shop.get(f"/_traces/{identifier}", **PEOPLE))[1])
        marks = [str(row["class"]) for row in page.found("tr") if "id" in row]
        assert [mark.partition(" ")[2] for mark in marks] == [
            "fault through",
            "fault through",
            "fault through",
            "fault",
        ]
        (listed,) = (await shop.json("/_traces?errors=1"))["traces"]
        assert (listed["id"], listed["services"], listed["status"]) == (identifier, ["product", "order"], 503)
        async with shop.http.get(f"{control}/status", headers=PEOPLE) as status:
            assert f'<a href="/_traces/{identifier}">' in await status.text()
        async with shop.http.get(f"{control}/_traces/{identifier}", headers=PROGRAMS) as same:
            assert (await same.json())["id"] == identifier


async def test_a_request_that_nobody_traces_is_what_the_load_balancer_did_and_the_rest_is_where_it_was() -> None:
    async with balanced(Inbox(Traces()), Mirror()) as (shop, _):
        await shop.get("/products/8?q=secret")
        await shop.get("/_traces", **PEOPLE)
        (one,) = (await shop.json("/_traces"))["traces"]
        assert (one["method"], one["name"], one["status"], one["services"]) == ("GET", "/products/8", 200, ["product"])
        (only,) = Trace(await shop.json(f"/_traces/{one['id']}")).spans()
        assert (only.facts["runtime"], only.facts["path"]) == ("fargate", "/products/8")
        assert (await shop.get("/_tracesque"))[0] == 503, "a path of the frontend, which has no target here"
        async with shop.http.post(f"{shop.url}/_traces") as answered:
            assert answered.status == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "attacker.example"}, 403),
        ({"Host": "127.0.0.1.attacker.example:8080"}, 403),
        ({"Host": "localhost:8080"}, 200),
        ({}, 200),
    ],
)
async def test_traces_are_for_this_machine(headers: dict[str, str], status: int) -> None:
    async with pages(an_order()) as shop:
        for path in ("/_traces", f"/_traces/{TRACE}"):
            assert (await shop.get(path, **headers))[0] == status


async def test_what_is_not_kept_and_what_is_no_number_have_their_answers() -> None:
    async with pages(Traces()) as shop:
        for accept in (PEOPLE, PROGRAMS):
            code, text = await shop.get(f"/_traces/{TRACE}", **accept)
            assert code == 404
            assert "not kept" in text
        assert await shop.get("/_traces?slower=soon", **PROGRAMS) == (
            400,
            '{"title":"`slower` is a number of milliseconds.","status":400}',
        )
        assert "No traces yet" in (await shop.get("/_traces", **PEOPLE))[1]


# --- the pages ------------------------------------------------------------------------------------------------------


class Reader(html.parser.HTMLParser):
    """Fails where elements do not nest; keeps tags, attributes and text."""

    VOID = frozenset({"meta", "input", "rect", "line"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def found(self, tag: str, **having: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag and having.items() <= found.items()]


async def test_the_picture_and_the_table_tell_the_same_of_every_span() -> None:
    traces = an_order()
    async with pages(traces) as shop:
        page = Reader((await shop.get(f"/_traces/{TRACE}", **PEOPLE))[1])
        identifiers = [str(span.document["id"]) for span in Trace(await shop.json(f"/_traces/{TRACE}")).spans()]
    assert [row["id"] for row in page.found("tr") if "id" in row] == [f"s-{one}" for one in identifiers]
    assert [row["href"] for row in page.found("a", tabindex="-1")] == [f"#s-{one}" for one in identifiers]
    for shown in ("take_stock", "2 rows", "POST /checkout", "→ order, fargate", "waits for a connection", "1000 ms"):
        assert page.text.count(shown) >= 2, shown
    assert "SELECT take_stock" in page.text
    bars = [
        (float(str(bar["x"])[:-1]), float(str(bar["width"])[:-1])) for bar in page.found("rect", **{"class": "bar"})
    ]
    assert bars[0] == (0.0, 100.0)
    assert all(left >= 0 and left + width <= 100.001 for left, width in bars)
    assert not page.found("script")
    assert [name for _, found in page.tags for name in found if name == "style" or name.startswith("on")] == []


async def test_everything_is_escaped_and_the_browser_may_run_nothing(tmp_path: Path) -> None:
    line = {"time": "2027-01-15T08:00:00.000+00:00", "level": "warning", "message": EVIL, "trace_id": TRACE, EVIL: EVIL}
    (tmp_path / "order.log").write_text(json.dumps(line) + "\n")
    http = {"request": {"method": EVIL, "url": EVIL}}
    inner = [statement(EVIL, 0, 1), part(EVIL, 0, 1), call(EVIL, 0, 1)]
    document = segment(EVIL, http=http, annotations={EVIL: EVIL, "route": EVIL}, subsegments=inner, fault=True)
    traces = kept(document, hops=(brought(EVIL, 0, 1, path=EVIL, status=503),))
    async with pages(traces, tmp_path) as shop:
        for path in ("/_traces", f"/_traces/{TRACE}", f"/_traces?q=%3Cscript%3E{'%22'}", "/_traces?q=</script>"):
            async with shop.http.get(shop.url + path, headers=PEOPLE) as answered:
                text, policy = await answered.text(), answered.headers["Content-Security-Policy"]
            assert "<script" not in text
            assert Reader(text).found("script") == []
            assert "default-src 'none'" in policy
            assert "script-src" not in policy
            assert "unsafe" not in policy


async def test_the_form_keeps_what_was_asked_and_finds_it_without_a_script() -> None:
    async with pages(an_order()) as shop:
        page = Reader((await shop.get("/_traces?q=take_stock&slower=200&errors=", **PEOPLE))[1])
        assert [found["href"] for found in page.found("a") if found["href"] != "/_traces"] == [f"/_traces/{TRACE}"]
        assert page.found("input", name="q", value="take_stock")
        assert page.found("input", name="slower", value="200")
        assert "checked" not in page.found("input", name="errors")[0]
        assert "None of the 1 traces" in (await shop.get("/_traces?errors=1", **PEOPLE))[1]


# --- the logs -------------------------------------------------------------------------------------------------------


def logged(second: int, message: str, **members: Any) -> str:
    moment = f"2027-01-15T08:00:{second:02}.000+00:00"
    return json.dumps({"time": moment, "level": "info", "message": message, **members}) + "\n"


async def test_the_log_lines_of_a_trace_stand_beside_it_in_the_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "order.log").write_text(
        logged(2, "by its trace", trace_id=TRACE, service="order", logger="x", order_id=7)
        + logged(3, "of another", trace_id=TRACE[:-1] + "0")
        + logged(4, f"mentions {TRACE}")
        + f"no JSON {TRACE}\n"
        + f'["{TRACE}"]\n'
    )
    (tmp_path / "product.log").write_text(logged(1, "by its request", request_id="request-1"))
    async with pages(an_order(), tmp_path) as shop:
        found = (await shop.json(f"/_traces/{TRACE}"))["logs"]
        page = (await shop.get(f"/_traces/{TRACE}", **PEOPLE))[1]
    assert [(one["source"], one["message"], one["rest"]) for one in found] == [
        ("product", "by its request", {}),
        ("order", "by its trace", {"order_id": 7}),
    ]
    assert page.index("by its request") < page.index("by its trace")
    assert "of another" not in page


def test_only_the_newest_bytes_of_a_file_are_read_and_so_many_lines(tmp_path: Path) -> None:
    old, new = logged(1, "old", trace_id=TRACE), logged(2, "new", trace_id=TRACE)
    (tmp_path / "order.log").write_text(old + "x" * lines.NEWEST + "\n" + new * (lines.LINES + 5))
    found = lines.found(tmp_path, TRACE, [])
    assert {line.message for line in found} == {"new"}
    assert len(found) == lines.LINES
    assert lines.found(tmp_path / "nowhere", TRACE, []) == []
