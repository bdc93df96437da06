"""The race: buyers that do not give up, and a verdict that cannot be talked round."""

import io
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from scripts import bench
from scripts.__main__ import main
from scripts.benches.buyers import Round, compete
from scripts.benches.race import Result, judge
from scripts.invariants import Breach
from scripts.terminal import Terminal
from tests.services.conftest import served

TOKENS = [f"token-{number}" for number in range(12)]


@dataclass
class Shop:
    """A stand-in for the order service: sells what it has, after `hesitations` answers that are no decision."""

    stock: int
    hesitations: list[int] = field(default_factory=list)
    sold: dict[str, str] = field(default_factory=dict)  # by key
    asked: Counter[str] = field(default_factory=Counter)  # by key
    at_work: int = 0
    busiest: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.at_work += 1
        self.busiest = max(self.busiest, self.at_work)
        await receive()
        status, document = self._answer(dict(scope["headers"])[b"idempotency-key"].decode())
        headers = [(b"retry-after", b"0"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(document).encode()})
        self.at_work -= 1

    def _answer(self, key: str) -> tuple[int, dict[str, Any]]:
        self.asked[key] += 1
        if len(self.hesitations) >= self.asked[key]:
            status = self.hesitations[self.asked[key] - 1]
            return status, {"type": "/problems/in-progress"} if status == 409 else {}
        if key not in self.sold and len(self.sold) >= self.stock:
            return 409, {"type": "/problems/insufficient-stock"}
        return 201, {"id": self.sold.setdefault(key, f"order-{len(self.sold)}")}


async def test_every_buyer_learns_what_became_of_the_order() -> None:
    shop = Shop(stock=5)
    async with served(shop) as url:
        outcome = await compete(url, 1, TOKENS, connections=4)
    assert outcome.ends == {"confirmed": 5, "insufficient-stock": 7}
    assert (outcome.confirmed, outcome.refused, outcome.unknown, outcome.repeated) == (5, 7, 0, 0)
    assert outcome.order_ids == set(shop.sold.values())
    assert shop.busiest <= 4


async def test_without_a_decision_a_buyer_asks_again_under_the_same_key() -> None:
    shop = Shop(stock=12, hesitations=[503, 202, 409, 502, 429])
    async with served(shop) as url:
        outcome = await compete(url, 1, TOKENS, connections=4)
    assert outcome.confirmed == 12
    assert outcome.repeated == 5 * 12
    assert outcome.answers == {201: 12, **dict.fromkeys(shop.hesitations, 12)}
    assert len(shop.sold) == 12


async def test_an_answer_that_nobody_expects_is_an_end_of_its_own() -> None:
    async with served(Shop(stock=1, hesitations=[500])) as url:
        outcome = await compete(url, 1, TOKENS[:1], connections=1)
    assert outcome.ends == {"status 500": 1}
    assert outcome.unknown == 1


SOLD = frozenset(f"order-{number}" for number in range(5))
EXACT = Result(
    Round(Counter({"confirmed": 5, "insufficient-stock": 7}), SOLD, Counter({201: 5, 409: 7}), 2.0),
    left=0,
    stored=5,
    broken=[],
)
OVERSOLD = frozenset([*SOLD, "order-5"])
WRONG = {
    "one too many was confirmed": replace(
        EXACT, round=replace(EXACT.round, ends=Counter({"confirmed": 6, "insufficient-stock": 6}), order_ids=OVERSOLD)
    ),
    "one order was confirmed to two buyers": replace(
        EXACT, round=replace(EXACT.round, order_ids=frozenset(list(SOLD)[:4]))
    ),
    "one buyer knows nothing": replace(
        EXACT,
        round=replace(EXACT.round, ends=Counter({"confirmed": 5, "insufficient-stock": 6, "unknown": 1})),
    ),
    "an order is stored that nobody was told of": replace(EXACT, stored=6),
    "a unit is left": replace(EXACT, left=1),
    "an invariant is broken": replace(EXACT, broken=[Breach("I2", "rule", "row")]),
}


def test_rounds_that_are_exact_pass() -> None:
    said = io.StringIO()
    assert judge([EXACT, EXACT], 5, 12, Terminal(said)) == 0
    assert "2 of 2 rounds exact (5 of 12 confirmed" in said.getvalue()
    assert "answers: 10 x 201, 14 x 409" in said.getvalue()


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_one_round_that_is_not_exact_fails_the_race(wrong: Result) -> None:
    said = io.StringIO()
    assert judge([EXACT, wrong], 5, 12, Terminal(said)) == 1
    assert "1 of 2 rounds exact" in said.getvalue()


def test_with_more_stock_than_buyers_everybody_gets_one() -> None:
    ends = Counter({"confirmed": 5})
    assert replace(EXACT, round=replace(EXACT.round, ends=ends), left=3).exact(stock=8, buyers=5)


@pytest.mark.parametrize("arguments", [["race", "--stock", "0"], ["race", "--times", "x"], ["marathon"], []])
def test_what_cannot_be_measured_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments])
    assert ended.value.code == 2
    assert "usage: scripts/tandem bench" in capsys.readouterr().err


def test_a_shop_elsewhere_needs_its_keys_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADMIN_KEY", "adm")
    monkeypatch.delenv("SESSION_KEYS", raising=False)
    assert main(["bench", "race", "--url", "http://shop.example"]) == 1
    assert "the environment needs DATABASE_URL and SESSION_KEYS." in capsys.readouterr().err


@pytest.mark.slow
def test_a_race_starts_a_platform_of_its_own_and_is_exact(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "race", "--stock", "3", "--buyers", "20", "--connections", "8", "--times", "1"]) == 0
    said = capfd.readouterr().out
    assert "1 of 1 rounds exact (3 of 20 confirmed, none oversold, every invariant holds)" in said


def test_the_summary_names_every_bench() -> None:
    assert all(name in bench.SUMMARY for name in bench.BENCHES)
