"""The same request, the same answer: through uvicorn and through AWS's own runtime client, in both forms of the event.

Every operation of the three OpenAPI documents, and the odd cases, go to three shops that differ in the runtime alone.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.twin.postgres import Server
from services.chassis.auth import Session
from tests.conftest import cloned
from tests.runtime import generated, odd, office, shopping, undocumented
from tests.runtime.comparison import EXCUSES, SERVED_BY, Mask, differences, excuse_of
from tests.runtime.documents import operations
from tests.runtime.exchange import Line, Reply, Sent
from tests.runtime.rows import CUSTOMERS, Names, Row
from tests.runtime.shops import CREATE, FORMS, SHOPS, UVICORN, Plan, three_shops_apart
from tests.runtime.undocumented import Door
from tests.services.whole_shop import SESSIONS

pytestmark = pytest.mark.slow
DOCUMENTS = {"product": "/products/openapi.json", "order": "/orders/openapi.json", "frontend": "/api/openapi.json"}
NOWHERE = "postgresql://nobody:nothing@nowhere/none"
STREAMED = "HEAD /products/export"  # whose length nobody knows before its end
# Operations that cannot succeed in a test, each with its reason. There is none.
UNTRIED: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Told:
    """What one shop said to every row, in their order."""

    names: Names
    replies: Sequence[Reply]


@dataclass(frozen=True, slots=True)
class Played:
    rows: Sequence[Row]
    documents: Sequence[Mapping[str, Any]]
    told: Mapping[str, Told]
    differing: Mapping[str, Mapping[str, list[str]]]  # by form and row: what is not as on uvicorn

    def replies(self, shop: str) -> Iterator[tuple[Row, Reply]]:
        yield from zip(self.rows, self.told[shop].replies, strict=True)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, postgres: Server, template: str, zips: dict[str, str]) -> Played:
    log = tmp_path_factory.mktemp("shops") / "log"
    with ExitStack() as stack:
        databases = {shop: stack.enter_context(cloned(postgres, template)) for shop in SHOPS}
        urls = stack.enter_context(three_shops_apart(Plan(databases, zips), log))
        documents = [document(urls[UVICORN], path) for path in DOCUMENTS.values()]
        rows = [
            *odd.first(),
            *generated.rows(documents),
            *odd.reading(),
            *odd.writing(),
            *odd.mirrored(),
            *shopping.rows(),
            *office.rows(),
        ]
        rows += undocumented.rows(doors(), rows)
        customers = {name: SESSIONS.issue() for name in CUSTOMERS}
        with ThreadPoolExecutor(len(SHOPS)) as threads:
            replies = list(threads.map(lambda shop: play(urls[shop], rows, customers), SHOPS))
    told = dict(zip(SHOPS, replies, strict=True))
    return Played(rows, documents, told, {form: compared(rows, told[UVICORN], told[form]) for form in FORMS})


def compared(rows: Sequence[Row], ours: Told, theirs: Told) -> Mapping[str, list[str]]:
    here, there = Mask(ours.names), Mask(theirs.names)
    replies = zip(rows, ours.replies, theirs.replies, strict=True)
    found = {row.what: differences(here(before), there(after)) for row, before, after in replies}
    return {what: differing for what, differing in found.items() if differing}


def doors() -> list[Door]:
    """Of every service, except those of the mirror."""
    plan = Plan({shop: {"product": NOWHERE, "order": NOWHERE} for shop in SHOPS}, {})
    apps = [create(env=plan.settings(UVICORN, name, NOWHERE)) for name, create in CREATE.items() if name in DOCUMENTS]
    return [door for app in apps for door in undocumented.doors(app)]


def document(url: str, path: str) -> Mapping[str, Any]:
    line = Line(url)
    try:
        found: Mapping[str, Any] = json.loads(line.ask(Sent("GET", path, [], b"")).body)
    finally:
        line.close()
    return found


def play(url: str, rows: Sequence[Row], customers: Mapping[str, Session]) -> Told:
    line, names, replies = Line(url), Names(customers), []
    try:
        for number, row in enumerate(rows):
            reply = patiently(line, names.sent(row, number), row)
            names.keep(row, reply)
            replies.append(reply)
    finally:
        line.close()
    return Told(names, replies)


def patiently(line: Line, sent: Sent, row: Row) -> Reply:
    """The gateway gives those behind it three seconds, which a busy machine may need: then it is asked again."""
    reply = line.ask(sent)
    for _ in range(3):
        late = b'"missing":["' in reply.body or (reply.status == 503 and reply.status not in row.statuses)
        if not (row.method == "GET" and row.target.startswith("/api/") and late):
            break
        reply = line.ask(sent)
    return reply


def listed(found: Sequence[str]) -> str:
    return "\n".join(["", *found])


def test_the_table_asks_nothing_twice(played: Played) -> None:
    names = Counter(row.what for row in played.rows)
    assert [what for what, count in names.items() if count > 1] == []


def test_every_row_has_on_uvicorn_the_status_that_it_is_there_for(played: Played) -> None:
    wrong = [
        f"{row.what} ({row.method} {row.target[:100]}): {reply.status} {reply.body[:300]!r}"
        for row, reply in played.replies(UVICORN)
        if reply.status not in row.statuses
    ]
    assert not wrong, listed(wrong)


def test_every_operation_of_the_documents_has_succeeded(played: Played) -> None:
    known = {operation.label for document in played.documents for operation in operations(document)}
    for shop in SHOPS:
        done = {row.operation for row, reply in played.replies(shop) if row.operation and reply.status < 300}
        assert done == known - UNTRIED.keys(), shop
    assert UNTRIED.keys() <= known


def test_everything_outside_the_documents_is_asked_for_too(played: Played) -> None:
    known = doors()
    assert len(known) > 20
    assert [door.path for door in known if not any(door.tried_by(row) for row in played.rows)] == []


def test_every_row_is_answered_by_the_runtime_that_it_was_sent_to(played: Played) -> None:
    wrong = [
        f"{shop}: {row.what}: {reply.status} by {reply.one(SERVED_BY) or 'nobody'}"
        for shop in SHOPS
        for row, reply in played.replies(shop)
        if reply.one(SERVED_BY) != ("local" if shop == UVICORN else "lambda") and not excuse_of(row.what)
    ]
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("form", FORMS)
def test_status_headers_and_body_are_the_same_on_both_runtimes(played: Played, form: str) -> None:
    wrong = [f"{what}: {'; '.join(found)}" for what, found in played.differing[form].items() if not excused(what, form)]
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("form", FORMS)
def test_no_excuse_is_made_for_what_is_the_same(played: Played, form: str) -> None:
    differing = played.differing[form]
    wrong = [row.what for row in played.rows if excused(row.what, form) and row.what not in differing]
    assert not wrong, listed(wrong)


def test_every_excuse_is_for_a_row_of_the_table(played: Played) -> None:
    used = {excuse_of(row.what) for row in played.rows}
    assert [excuse.rows for excuse in EXCUSES if excuse not in used] == []


def test_a_length_is_the_length_of_the_body(played: Played) -> None:
    wrong = [
        f"{shop}: {row.what}: {reply.one('content-length')} of {len(reply.body)} bytes"
        for shop in SHOPS
        for row, reply in played.replies(shop)
        if row.method != "HEAD" and reply.one("content-length") not in {"", str(len(reply.body))}
    ]
    assert not wrong, listed(wrong)


def test_a_head_tells_the_length_that_the_get_would_have(played: Played) -> None:
    """The figure is not compared among shops: a moment in a body can be shorter by a digit."""
    for shop in SHOPS:
        replies = [(row, reply) for row, reply in played.replies(shop) if row.method == "HEAD"]
        heads = [(row.what, reply) for row, reply in replies if reply.status == 200]
        silent = {what for what, reply in heads if not int(reply.one("content-length") or 0)}
        assert len(heads) > 10
        assert silent == {STREAMED}, shop


def excused(what: str, form: str) -> bool:
    excuse = excuse_of(what)
    return excuse is not None and form in excuse.forms
