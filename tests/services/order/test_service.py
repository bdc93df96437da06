"""Use cases on real PostgreSQL with a product service in memory: placing, repeating, changing orders."""

import asyncio
import json
import uuid
from uuid import UUID

import pytest

from services.chassis.database import Database
from services.chassis.errors import NotFound, Unavailable
from services.order import service
from services.order.catalog import NoDecision
from services.order.model import (
    InProgress,
    Intent,
    KeyReuse,
    NotCancellable,
    NotRefundable,
    NotShippable,
    TooManyPending,
)
from tests.services.order.fakes import FakeCatalog, Gate, WatchedCatalog, failing, intent


async def place(database: Database, catalog: FakeCatalog, *lines: tuple[int, int]) -> Intent:
    wish = intent(*lines)
    placed = await service.place_order(database, catalog, wish)
    assert placed.order.status == "confirmed"
    return wish


async def status(database: Database, order_id: UUID) -> str:
    return str((await service.read_order(database, order_id, None)).status)


async def log(database: Database, order_id: UUID) -> list[str]:
    return [event["status"] for event in json.loads(await service.read_events(database, order_id, None))["items"]]


async def count(database: Database) -> int:
    async with database.read() as connection:
        number: int = await connection.fetch_value("SELECT count(*) FROM ordering.orders")
    return number


async def test_an_order_is_confirmed_at_the_price_of_its_reservation(database: Database, catalog: FakeCatalog) -> None:
    wish = intent((1, 2), (2, 1))
    placed = await service.place_order(database, catalog, wish)
    document = json.loads(placed.order.body)
    assert (document["id"], document["status"], document["total_cents"]) == (str(wish.id), "confirmed", 1500)
    assert [line["line_total_cents"] for line in document["lines"]] == [500, 1000]
    assert catalog.stock == {1: 98, 2: 99, 3: 100}
    assert catalog.state(wish.id) == "committed"
    assert not placed.replayed


async def test_the_happy_path_costs_two_round_trips_and_two_calls(database: Database, catalog: FakeCatalog) -> None:
    await place(database, catalog)
    catalog.calls.clear()
    before = database.round_trips
    await place(database, catalog, (1, 1), (2, 2), (3, 3))
    assert database.round_trips - before == 2
    assert catalog.calls == ["reserve", "confirm"]


async def test_a_refusal_is_stored_and_no_stock_moves(database: Database, catalog: FakeCatalog) -> None:
    wish = intent((1, 101), (2, 1))
    placed = await service.place_order(database, catalog, wish)
    assert (placed.order.status, placed.order.reject_code) == ("rejected", "insufficient-stock")
    assert catalog.stock == {1: 100, 2: 100, 3: 100}
    assert await log(database, wish.id) == ["pending", "rejected"]


async def test_a_refusal_stays_a_refusal_after_a_restock(database: Database, catalog: FakeCatalog) -> None:
    wish = intent((1, 101))
    await service.place_order(database, catalog, wish)
    catalog.stock[1] = 500
    again = await service.place_order(database, catalog, intent((1, 101), customer=wish.customer_id, key=wish.key))
    assert again.replayed
    assert (again.order.id, again.order.status) == (wish.id, "rejected")
    assert catalog.stock[1] == 500


async def test_an_unknown_product_is_refused_and_stored(database: Database, catalog: FakeCatalog) -> None:
    placed = await service.place_order(database, catalog, intent((99, 1)))
    assert (placed.order.status, placed.order.reject_code) == ("rejected", "unknown-product")


async def test_a_repeated_request_gets_the_first_order_back(database: Database, catalog: FakeCatalog) -> None:
    wish = intent((1, 2), (2, 1))
    first = await service.place_order(database, catalog, wish)
    catalog.calls.clear()
    catalog.prices[1] = 9999
    again = await service.place_order(
        database, catalog, intent((2, 1), (1, 2), customer=wish.customer_id, key=wish.key)
    )
    assert again.replayed
    assert again.order.body == first.order.body
    assert catalog.calls == []
    assert await count(database) == 1


async def test_a_repeated_request_reads_the_same_after_the_order_was_cancelled(
    database: Database, catalog: FakeCatalog
) -> None:
    wish = intent()
    first = await service.place_order(database, catalog, wish)
    await service.cancel_order(database, catalog, wish.id, owner=wish.customer_id, actor="customer")
    again = await service.place_order(database, catalog, wish)
    assert again.order.body == first.order.body


async def test_a_key_does_not_serve_another_request(database: Database, catalog: FakeCatalog) -> None:
    wish = intent((1, 1))
    first = await service.place_order(database, catalog, wish)
    for other in (
        intent((1, 2), customer=wish.customer_id, key=wish.key),
        intent((1, 1), customer=wish.customer_id, key=wish.key, expected=250),
    ):
        with pytest.raises(KeyReuse):
            await service.place_order(database, catalog, other)
    assert (await service.read_order(database, wish.id, None)).body == first.order.body
    assert catalog.stock[1] == 99


async def test_the_same_key_of_another_customer_is_another_order(database: Database, catalog: FakeCatalog) -> None:
    first, second = intent(key="same"), intent(key="same")
    placed = [await service.place_order(database, catalog, wish) for wish in (first, second)]
    assert [order.order.id for order in placed] == [first.id, second.id]
    assert not placed[1].replayed


async def test_a_request_that_is_being_decided_is_in_progress(database: Database, catalog: FakeCatalog) -> None:
    gate = Gate("before-S3")
    wish = intent()
    driver = asyncio.create_task(service.place_order(database, WatchedCatalog(catalog, gate), wish))
    await gate.reached()
    for _ in range(2):
        with pytest.raises(InProgress) as refusal:
            await service.place_order(database, catalog, intent(customer=wish.customer_id, key=wish.key))
        assert refusal.value.retry_after == 1
    gate.open()
    assert (await driver).order.status == "confirmed"
    assert catalog.stock[1] == 99


async def test_many_requests_with_one_key_at_once_make_one_order(database: Database, catalog: FakeCatalog) -> None:
    wish = intent((1, 1))
    copies = [intent((1, 1), customer=wish.customer_id, key=wish.key) for _ in range(8)]
    results = await asyncio.gather(
        *(service.place_order(database, catalog, copy) for copy in copies), return_exceptions=True
    )
    placed = [result for result in results if isinstance(result, service.Placed)]
    assert len({result.order.id for result in placed}) == 1
    assert sum(not result.replayed for result in placed) == 1
    assert all(isinstance(result, InProgress) for result in results if not isinstance(result, service.Placed))
    assert catalog.stock[1] == 99
    assert await count(database) == 1


async def test_three_orders_of_one_customer_at_once_all_get_through(database: Database, catalog: FakeCatalog) -> None:
    customer = uuid.uuid4()
    for _ in range(5):
        placed = await asyncio.gather(
            *(service.place_order(database, catalog, intent(customer=customer)) for _ in range(3))
        )
        assert [result.order.status for result in placed] == ["confirmed"] * 3


async def test_a_fourth_undecided_order_is_refused_and_not_written(database: Database, catalog: FakeCatalog) -> None:
    customer = uuid.uuid4()
    away = WatchedCatalog(catalog, failing("before-S2", NoDecision()))
    for _ in range(3):
        placed = await service.place_order(database, away, intent(customer=customer))
        assert placed.order.status == "pending"
    with pytest.raises(TooManyPending):
        await service.place_order(database, catalog, intent(customer=customer))
    assert await count(database) == 3
    assert (await service.place_order(database, catalog, intent())).order.status == "confirmed"


async def test_an_expected_total_that_holds_lets_the_order_through(database: Database, catalog: FakeCatalog) -> None:
    placed = await service.place_order(database, catalog, intent((1, 2), expected=500))
    assert placed.order.status == "confirmed"


async def test_an_expected_total_that_does_not_hold_gives_the_stock_back(
    database: Database, catalog: FakeCatalog
) -> None:
    wish = intent((1, 2), expected=499)
    placed = await service.place_order(database, catalog, wish)
    assert (placed.order.status, placed.order.reject_code) == ("rejected", "price-changed")
    assert catalog.state(wish.id) == "released"
    assert catalog.stock[1] == 100
    assert catalog.calls == ["reserve", "release"]


async def test_an_expected_total_of_nothing_is_a_total(database: Database, catalog: FakeCatalog) -> None:
    placed = await service.place_order(database, catalog, intent((1, 1), expected=0))
    assert placed.order.reject_code == "price-changed"
    catalog.prices[1] = 0
    placed = await service.place_order(database, catalog, intent((1, 1), expected=0))
    assert placed.order.status == "confirmed"


async def test_with_the_breaker_open_nothing_is_written(database: Database, catalog: FakeCatalog) -> None:
    catalog.open = True
    with pytest.raises(Unavailable):
        await service.place_order(database, catalog, intent())
    assert await count(database) == 0
    assert catalog.calls == []


async def test_with_the_breaker_open_finished_orders_still_replay(database: Database, catalog: FakeCatalog) -> None:
    confirmed, rejected = intent(), intent((1, 500))
    first = [await service.place_order(database, catalog, wish) for wish in (confirmed, rejected)]
    catalog.open = True
    again = [await service.place_order(database, catalog, wish) for wish in (confirmed, rejected)]
    assert [result.replayed for result in again] == [True, True]
    assert [result.order.body for result in again] == [result.order.body for result in first]
    with pytest.raises(KeyReuse):
        await service.place_order(database, catalog, intent((1, 7), customer=confirmed.customer_id, key=confirmed.key))


async def test_with_the_breaker_open_a_pending_order_is_in_progress(database: Database, catalog: FakeCatalog) -> None:
    wish = intent()
    await service.place_order(database, WatchedCatalog(catalog, failing("before-S2", NoDecision())), wish)
    catalog.open = True
    with pytest.raises(InProgress):
        await service.place_order(database, catalog, wish)


@pytest.mark.parametrize("point", ["before-S2", "after-S2", "before-S3", "after-S3"])
async def test_an_order_without_a_decision_is_pending_and_its_repetition_decides_it(
    database: Database, catalog: FakeCatalog, point: str
) -> None:
    wish = intent()
    first = await service.place_order(database, WatchedCatalog(catalog, failing(point, NoDecision())), wish)
    assert first.order.status == "pending"
    assert json.loads(first.order.body)["status"] == "pending"
    again = await service.place_order(database, catalog, intent(customer=wish.customer_id, key=wish.key))
    assert (again.order.id, again.order.status) == (wish.id, "confirmed")
    assert catalog.stock[1] == 99


@pytest.mark.parametrize("point", ["before-release", "after-release"])
async def test_a_release_without_a_decision_leaves_the_order_pending(
    database: Database, catalog: FakeCatalog, point: str
) -> None:
    wish = intent((1, 1), expected=1)
    first = await service.place_order(database, WatchedCatalog(catalog, failing(point, NoDecision())), wish)
    assert first.order.status == "pending"
    again = await service.place_order(database, catalog, wish)
    assert (again.order.status, again.order.reject_code) == ("rejected", "price-changed")
    assert catalog.stock[1] == 100


async def test_an_expired_reservation_rejects_the_order(database: Database, catalog: FakeCatalog) -> None:
    gate = Gate("before-S3")
    wish = intent()
    driver = asyncio.create_task(service.place_order(database, WatchedCatalog(catalog, gate), wish))
    await gate.reached()
    catalog.expire(wish.id)
    gate.open()
    placed = await driver
    assert (placed.order.status, placed.order.reject_code) == ("rejected", "reservation-expired")
    assert catalog.stock[1] == 100


async def test_an_order_is_read_by_its_owner_and_by_the_back_office(database: Database, catalog: FakeCatalog) -> None:
    wish = await place(database, catalog)
    own = await service.read_order(database, wish.id, wish.customer_id)
    assert own.body == (await service.read_order(database, wish.id, None)).body
    for attempt in (service.read_order, service.read_events):
        with pytest.raises(NotFound):
            await attempt(database, wish.id, uuid.uuid4())
        with pytest.raises(NotFound):
            await attempt(database, uuid.uuid4(), None)


async def test_a_cancelled_order_gives_its_stock_back_once(database: Database, catalog: FakeCatalog) -> None:
    wish = await place(database, catalog, (1, 5))
    for _ in range(3):
        order = await service.cancel_order(database, catalog, wish.id, owner=wish.customer_id, actor="customer")
        assert order.status == "cancelled"
    assert catalog.stock[1] == 100
    assert catalog.calls.count("return") == 1
    assert await log(database, wish.id) == ["pending", "confirmed", "cancelling", "cancelled"]


async def test_a_foreign_order_cannot_be_cancelled(database: Database, catalog: FakeCatalog) -> None:
    wish = await place(database, catalog)
    with pytest.raises(NotFound):
        await service.cancel_order(database, catalog, wish.id, owner=uuid.uuid4(), actor="customer")
    assert await status(database, wish.id) == "confirmed"


async def test_what_is_shipped_is_not_cancelled_but_refunded(database: Database, catalog: FakeCatalog) -> None:
    wish = await place(database, catalog, (1, 5))
    await service.ship_order(database, wish.id, tracking="T-1", actor="admin:a")
    with pytest.raises(NotCancellable):
        await service.cancel_order(database, catalog, wish.id, owner=wish.customer_id, actor="customer")
    for _ in range(3):
        assert (await service.refund_order(database, catalog, wish.id, actor="admin:a")).status == "refunded"
    assert catalog.stock[1] == 100
    assert await log(database, wish.id) == ["pending", "confirmed", "shipped", "refunding", "refunded"]


async def test_a_confirmed_order_can_be_refunded_without_shipping(database: Database, catalog: FakeCatalog) -> None:
    wish = await place(database, catalog, (1, 5))
    assert (await service.refund_order(database, catalog, wish.id, actor="admin:a")).status == "refunded"
    assert await log(database, wish.id) == ["pending", "confirmed", "refunding", "refunded"]


async def test_shipping_twice_is_one_shipment_and_another_tracking_is_refused(
    database: Database, catalog: FakeCatalog
) -> None:
    wish = await place(database, catalog)
    for _ in range(2):
        order = await service.ship_order(database, wish.id, tracking="T-1", actor="admin:a")
        assert (order.status, order.tracking) == ("shipped", "T-1")
    with pytest.raises(NotShippable):
        await service.ship_order(database, wish.id, tracking="T-2", actor="admin:a")
    assert await log(database, wish.id) == ["pending", "confirmed", "shipped"]


@pytest.mark.parametrize("lines", [(1, 500), (1, 1)])
async def test_an_order_that_is_not_confirmed_cannot_be_changed(
    database: Database, catalog: FakeCatalog, lines: tuple[int, int]
) -> None:
    wish = intent(lines)  # rejected, or pending because the product service is away
    away = WatchedCatalog(catalog, failing("after-S2", NoDecision()) if lines == (1, 1) else Gate("before-T1"))
    before = (await service.place_order(database, away, wish)).order.status
    assert before in {"pending", "rejected"}
    with pytest.raises(NotCancellable):
        await service.cancel_order(database, catalog, wish.id, owner=None, actor="admin:a")
    with pytest.raises(NotRefundable):
        await service.refund_order(database, catalog, wish.id, actor="admin:a")
    with pytest.raises(NotShippable):
        await service.ship_order(database, wish.id, tracking=None, actor="admin:a")
    assert await status(database, wish.id) == before


async def test_a_cancelled_order_cannot_be_shipped_or_refunded(database: Database, catalog: FakeCatalog) -> None:
    wish = await place(database, catalog)
    await service.cancel_order(database, catalog, wish.id, owner=None, actor="admin:a")
    with pytest.raises(NotShippable):
        await service.ship_order(database, wish.id, tracking=None, actor="admin:a")
    with pytest.raises(NotRefundable):
        await service.refund_order(database, catalog, wish.id, actor="admin:a")


@pytest.mark.parametrize("point", ["before-return", "after-return"])
async def test_a_cancellation_without_an_answer_waits_and_its_repetition_ends_it(
    database: Database, catalog: FakeCatalog, point: str
) -> None:
    wish = await place(database, catalog, (1, 5))
    away = WatchedCatalog(catalog, failing(point, NoDecision()))
    order = await service.cancel_order(database, away, wish.id, owner=wish.customer_id, actor="customer")
    assert order.status == "cancelling"
    order = await service.cancel_order(database, catalog, wish.id, owner=wish.customer_id, actor="customer")
    assert order.status == "cancelled"
    assert catalog.stock[1] == 100


@pytest.mark.parametrize("point", ["before-return", "after-return"])
async def test_a_refund_without_an_answer_waits_and_its_repetition_ends_it(
    database: Database, catalog: FakeCatalog, point: str
) -> None:
    wish = await place(database, catalog, (1, 5))
    away = WatchedCatalog(catalog, failing(point, NoDecision()))
    assert (await service.refund_order(database, away, wish.id, actor="admin:a")).status == "refunding"
    assert (await service.refund_order(database, catalog, wish.id, actor="admin:a")).status == "refunded"
    assert catalog.stock[1] == 100


async def test_changing_what_does_not_exist_is_not_found(database: Database, catalog: FakeCatalog) -> None:
    nothing = uuid.uuid4()
    with pytest.raises(NotFound):
        await service.cancel_order(database, catalog, nothing, owner=None, actor="admin:a")
    with pytest.raises(NotFound):
        await service.refund_order(database, catalog, nothing, actor="admin:a")
    with pytest.raises(NotFound):
        await service.ship_order(database, nothing, tracking=None, actor="admin:a")
