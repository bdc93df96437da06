"""Two who work on one order at once, one of them stopped at a chosen step: every pair must end in one decision."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from services.chassis.database import Database
from services.order import service
from services.order.catalog import NoDecision
from services.order.model import Intent, NotCancellable, NotRefundable, NotShippable, Order
from services.order.service import reconcile_once
from tests.services.order.fakes import FakeCatalog, Gate, WatchedCatalog, WatchedDatabase, intent, nothing
from tests.services.order.invariants import check, end_leases

Other = Callable[[Database, Database, FakeCatalog, Intent], Awaitable[None]]


async def _repeats(database: Database, admin: Database, catalog: FakeCatalog, wish: Intent) -> None:
    await end_leases(admin)
    copy = Intent(
        id=intent().id,
        customer_id=wish.customer_id,
        key=wish.key,
        lines=wish.lines,
        expected_total_cents=wish.expected_total_cents,
    )
    placed = await service.place_order(database, catalog, copy)
    assert placed.order.id == wish.id


async def _rolls_forward(database: Database, admin: Database, catalog: FakeCatalog, _: Intent) -> None:
    await end_leases(admin)
    await reconcile_once(database, catalog)


async def _rolls_back(database: Database, admin: Database, catalog: FakeCatalog, _: Intent) -> None:
    await end_leases(admin, age=61)
    await reconcile_once(database, catalog)


OTHERS: dict[str, Other] = {
    "a repeated request takes the lease": _repeats,
    "the reconciler goes forward": _rolls_forward,
    "the reconciler goes back": _rolls_back,
}
STEPS = ["after-T1", "before-S2", "after-S2", "before-S3", "after-S3", "before-T4", "after-T4"]


@pytest.fixture
async def stopped(database_urls: dict[str, str], database: Database, catalog: FakeCatalog) -> "Stopper":
    del database  # it empties
    return Stopper(database_urls["order"], catalog)


class Stopper:
    """Starts somebody who stops at a step, as if that process had been frozen there."""

    def __init__(self, url: str, catalog: FakeCatalog) -> None:
        self._url = url
        self._catalog = catalog

    async def start(
        self, point: str, act: Callable[[Database, WatchedCatalog], Awaitable[Order]]
    ) -> tuple[Gate, "asyncio.Task[Order]"]:
        gate = Gate(point)

        async def run() -> Order:
            database = WatchedDatabase(self._url, gate, size=2)
            try:
                return await act(database, WatchedCatalog(self._catalog, gate))
            finally:
                await database.close()

        task = asyncio.create_task(run())
        await gate.reached()
        return gate, task


def placing(wish: Intent) -> Callable[[Database, WatchedCatalog], Awaitable[Order]]:
    async def place(database: Database, catalog: WatchedCatalog) -> Order:
        return (await service.place_order(database, catalog, wish)).order

    return place


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("point", STEPS)
async def test_a_driver_that_wakes_late_agrees_with_whoever_was_there_before(
    stopped: Stopper, database: Database, admin: Database, catalog: FakeCatalog, point: str, other: Other
) -> None:
    wish = intent((1, 2), (2, 1))
    gate, driver = await stopped.start(point, placing(wish))
    await other(database, admin, catalog, wish)
    gate.open()
    answer = await driver
    (order,) = await check(database, catalog)
    assert answer.status == order.status
    if other is _rolls_back and point in {"after-T1", "before-S2", "after-S2", "before-S3"}:
        assert order.reject_code == "timed-out"
    else:
        assert order.status == "confirmed"


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("point", ["after-S2", "before-T4", "after-T4"])
async def test_a_refused_order_stays_refused_though_stock_came_meanwhile(
    stopped: Stopper, database: Database, admin: Database, catalog: FakeCatalog, point: str, other: Other
) -> None:
    wish = intent((1, 101))
    gate, driver = await stopped.start(point, placing(wish))
    catalog.stock[1] = 500
    await other(database, admin, catalog, wish)
    gate.open()
    answer = await driver
    catalog.stock[1] = 100
    (order,) = await check(database, catalog)
    assert (answer.status, answer.reject_code) == ("rejected", order.reject_code)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("point", ["after-S2", "before-release", "after-release", "before-T4"])
async def test_an_order_at_another_price_is_refused_by_whoever_drives_it(
    stopped: Stopper, database: Database, admin: Database, catalog: FakeCatalog, point: str, other: Other
) -> None:
    wish = intent((1, 2), expected=1)
    gate, driver = await stopped.start(point, placing(wish))
    await other(database, admin, catalog, wish)
    gate.open()
    answer = await driver
    (order,) = await check(database, catalog)
    assert order.reject_code == ("timed-out" if other is _rolls_back else "price-changed")
    assert answer.reject_code == order.reject_code


async def test_a_reserve_that_arrives_after_the_release_does_not_come_alive(
    stopped: Stopper, database: Database, admin: Database, catalog: FakeCatalog
) -> None:
    wish = intent((1, 2))
    gate, driver = await stopped.start("before-S2", placing(wish))
    await _rolls_back(database, admin, catalog, wish)
    assert catalog.state(wish.id) == "released"
    gate.open()
    assert (await driver).reject_code == "timed-out"
    assert catalog.stock[1] == 100
    await check(database, catalog)


async def test_a_driver_whose_reservation_expired_and_was_rejected_meanwhile_says_so(
    stopped: Stopper, database: Database, admin: Database, catalog: FakeCatalog
) -> None:
    wish = intent((1, 2))
    gate, driver = await stopped.start("before-S3", placing(wish))
    catalog.expire(wish.id)
    await _rolls_forward(database, admin, catalog, wish)
    gate.open()
    assert (await driver).reject_code == "reservation-expired"
    await check(database, catalog)


async def test_a_cancellation_meets_a_driver_that_has_not_yet_answered(
    stopped: Stopper, database: Database, catalog: FakeCatalog
) -> None:
    wish = intent((1, 2))
    gate, driver = await stopped.start("after-T4", placing(wish))
    await service.cancel_order(database, catalog, wish.id, owner=wish.customer_id, actor="customer")
    gate.open()
    assert b'"status":"confirmed"' in (await driver).body
    (order,) = await check(database, catalog)
    assert order.status == "cancelled"


async def test_a_late_driver_does_not_revive_a_cancelled_order(
    stopped: Stopper, database: Database, admin: Database, catalog: FakeCatalog
) -> None:
    for point in ("before-S2", "after-S2", "before-S3", "after-S3", "before-T4"):
        wish = intent((1, 2))
        gate, driver = await stopped.start(point, placing(wish))
        await _rolls_forward(database, admin, catalog, wish)
        await service.cancel_order(database, catalog, wish.id, owner=wish.customer_id, actor="customer")
        gate.open()
        answer = await driver
        assert answer.status == "cancelled"
        assert b'"status":"confirmed"' in answer.body
    assert {order.status for order in await check(database, catalog)} == {"cancelled"}


def reconciling() -> Callable[[Database, WatchedCatalog], Awaitable[Order]]:
    async def reconcile(database: Database, catalog: WatchedCatalog) -> Order:
        await reconcile_once(database, catalog)
        async with database.read() as connection:
            order_id = await connection.fetch_value("SELECT id FROM ordering.orders")
        return await service.read_order(database, order_id, None)

    return reconcile


@pytest.mark.parametrize("other", [_rolls_forward, _rolls_back], ids=["forward", "back"])
@pytest.mark.parametrize("point", ["after-take", "after-S2", "before-S3", "after-S3", "before-T4"])
async def test_a_reconciler_that_wakes_late_agrees_with_another(
    stopped: Stopper, database: Database, admin: Database, catalog: FakeCatalog, point: str, other: Other
) -> None:
    wish = intent((1, 2))
    await _abandon(database, catalog, wish)
    gate, first = await stopped.start(point, reconciling())
    await other(database, admin, catalog, wish)
    gate.open()
    await first
    await check(database, catalog)


@pytest.mark.parametrize("point", ["after-take", "before-release", "after-release", "before-T4"])
async def test_a_reconciler_that_goes_back_agrees_with_a_repeated_request(
    stopped: Stopper, database: Database, admin: Database, catalog: FakeCatalog, point: str
) -> None:
    wish = intent((1, 2))
    await _abandon(database, catalog, wish)
    await end_leases(admin, age=61)
    gate, first = await stopped.start(point, reconciling())
    await _repeats(database, admin, catalog, wish)
    gate.open()
    answer = await first
    (order,) = await check(database, catalog)
    assert answer.status == order.status
    # Whoever reached the reservation first has decided.
    assert order.status == ("confirmed" if point in {"after-take", "before-release"} else "rejected")


async def test_two_reconcilers_at_once_share_the_work(
    database: Database, admin: Database, catalog: FakeCatalog
) -> None:
    for _ in range(6):
        await _abandon(database, catalog, intent((1, 1)))
    await end_leases(admin)
    catalog.calls.clear()
    finished = await asyncio.gather(reconcile_once(database, catalog), reconcile_once(database, catalog))
    assert sum(finished) == 6
    assert catalog.calls.count("reserve") == 6
    await check(database, catalog)


async def _abandon(database: Database, catalog: FakeCatalog, wish: Intent) -> None:
    async def away(point: str) -> None:
        if point == "before-S2":
            raise NoDecision

    placed = await service.place_order(database, WatchedCatalog(catalog, away), wish)
    assert placed.order.status == "pending"


async def _confirmed(database: Database, catalog: FakeCatalog) -> Intent:
    wish = intent((1, 5))
    assert (await service.place_order(database, catalog, wish)).order.status == "confirmed"
    return wish


def cancelling(wish: Intent) -> Callable[[Database, WatchedCatalog], Awaitable[Order]]:
    async def cancel(database: Database, catalog: WatchedCatalog) -> Order:
        return await service.cancel_order(database, catalog, wish.id, owner=wish.customer_id, actor="customer")

    return cancel


def refunding(wish: Intent) -> Callable[[Database, WatchedCatalog], Awaitable[Order]]:
    async def refund(database: Database, catalog: WatchedCatalog) -> Order:
        return await service.refund_order(database, catalog, wish.id, actor="admin:a")

    return refund


@pytest.mark.parametrize("point", ["after-move", "before-return", "after-return"])
@pytest.mark.parametrize(("act", "end"), [(cancelling, "cancelled"), (refunding, "refunded")])
async def test_the_reconciler_finishes_what_a_frozen_process_began(
    stopped: Stopper,
    database: Database,
    admin: Database,
    catalog: FakeCatalog,
    point: str,
    act: Callable[[Intent], Callable[[Database, WatchedCatalog], Awaitable[Order]]],
    end: str,
) -> None:
    wish = await _confirmed(database, catalog)
    gate, first = await stopped.start(point, act(wish))
    await end_leases(admin)
    assert await reconcile_once(database, catalog) == 1
    gate.open()
    assert (await first).status == end
    (order,) = await check(database, catalog)
    assert order.status == end
    assert catalog.stock[1] == 100


@pytest.mark.parametrize("point", ["before-move", "after-move", "before-return", "after-return"])
@pytest.mark.parametrize(("act", "end"), [(cancelling, "cancelled"), (refunding, "refunded")])
async def test_the_same_change_twice_at_once_returns_stock_once(
    stopped: Stopper,
    database: Database,
    catalog: FakeCatalog,
    point: str,
    act: Callable[[Intent], Callable[[Database, WatchedCatalog], Awaitable[Order]]],
    end: str,
) -> None:
    wish = await _confirmed(database, catalog)
    gate, first = await stopped.start(point, act(wish))
    assert (await act(wish)(database, WatchedCatalog(catalog, nothing))).status == end
    gate.open()
    assert (await first).status == end
    assert catalog.stock[1] == 100
    await check(database, catalog)


async def test_a_refund_that_comes_before_a_frozen_cancellation_wins(
    stopped: Stopper, database: Database, catalog: FakeCatalog
) -> None:
    wish = await _confirmed(database, catalog)
    gate, first = await stopped.start("before-move", cancelling(wish))
    await service.refund_order(database, catalog, wish.id, actor="admin:a")
    gate.open()
    with pytest.raises(NotCancellable):
        await first
    assert catalog.stock[1] == 100
    await check(database, catalog)


async def test_a_cancellation_that_has_begun_wins_over_a_refund_and_a_shipment(
    stopped: Stopper, database: Database, catalog: FakeCatalog
) -> None:
    wish = await _confirmed(database, catalog)
    gate, first = await stopped.start("after-move", cancelling(wish))
    with pytest.raises(NotRefundable):
        await service.refund_order(database, catalog, wish.id, actor="admin:a")
    with pytest.raises(NotShippable):
        await service.ship_order(database, wish.id, tracking=None, actor="admin:a")
    gate.open()
    assert (await first).status == "cancelled"
    await check(database, catalog)


async def test_a_shipment_that_comes_before_a_frozen_cancellation_wins(
    stopped: Stopper, database: Database, catalog: FakeCatalog
) -> None:
    wish = await _confirmed(database, catalog)
    gate, first = await stopped.start("before-move", cancelling(wish))
    await service.ship_order(database, wish.id, tracking="T-1", actor="admin:a")
    gate.open()
    with pytest.raises(NotCancellable):
        await first
    assert catalog.stock[1] == 95
    await check(database, catalog)
