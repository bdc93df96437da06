"""A process that dies at each point of the protocol, and everybody who may come after it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from services.chassis.database import Database
from services.chassis.errors import Unavailable
from services.order import service
from services.order.catalog import NoDecision
from services.order.model import Intent
from services.order.service import reconcile_once
from tests.services.order.fakes import (
    FakeCatalog,
    Killed,
    Reach,
    WatchedCatalog,
    WatchedDatabase,
    failing,
    intent,
    nothing,
)
from tests.services.order.invariants import check, end_leases

Healer = Callable[[Database, Database, FakeCatalog, Intent], Awaitable[None]]


async def _client_repeats(database: Database, admin: Database, catalog: FakeCatalog, wish: Intent) -> None:
    await end_leases(admin)
    await service.place_order(database, catalog, wish)


async def _reconciler_forward(database: Database, admin: Database, catalog: FakeCatalog, _: Intent) -> None:
    await end_leases(admin)
    await reconcile_once(database, catalog)


async def _reconciler_back(database: Database, admin: Database, catalog: FakeCatalog, _: Intent) -> None:
    await end_leases(admin, age=61)
    await reconcile_once(database, catalog)


async def _sweeper_then_reconciler(database: Database, admin: Database, catalog: FakeCatalog, wish: Intent) -> None:
    if catalog.state(wish.id) == "held":
        catalog.expire(wish.id)
    await _reconciler_forward(database, admin, catalog, wish)


HEALERS: dict[str, Healer] = {
    "client": _client_repeats,
    "forward": _reconciler_forward,
    "back": _reconciler_back,
    "expired": _sweeper_then_reconciler,
}
PLACING = ["after-T1", "before-S2", "after-S2", "before-S3", "after-S3", "before-T4", "after-T4"]


async def _die(url: str, catalog: FakeCatalog, reach: Reach, wish: Intent) -> None:
    database = WatchedDatabase(url, reach, size=2)
    with pytest.raises(Killed):
        await service.place_order(database, WatchedCatalog(catalog, reach), wish)
    await database.close()


async def test_a_crash_before_the_intent_leaves_nothing(
    database_urls: dict[str, str], database: Database, catalog: FakeCatalog
) -> None:
    wish = intent((1, 2))
    await _die(database_urls["order"], catalog, failing("before-T1", Killed()), wish)
    assert await check(database, catalog) == []
    assert catalog.calls == []
    placed = await service.place_order(database, catalog, wish)
    assert (placed.order.status, placed.replayed) == ("confirmed", False)


@pytest.mark.parametrize("heal", HEALERS.values(), ids=HEALERS.keys())
@pytest.mark.parametrize("point", PLACING)
async def test_a_crash_while_placing_is_healed(
    database_urls: dict[str, str],
    database: Database,
    admin: Database,
    catalog: FakeCatalog,
    point: str,
    heal: Healer,
) -> None:
    wish = intent((1, 2), (2, 1))
    await _die(database_urls["order"], catalog, failing(point, Killed()), wish)
    await heal(database, admin, catalog, wish)
    (order,) = await check(database, catalog)
    expected: tuple[str, str | None] = ("confirmed", None)
    if heal is _reconciler_back and point in PLACING[:4]:
        expected = "rejected", "timed-out"
    if heal is _sweeper_then_reconciler and point in PLACING[2:4]:
        expected = "rejected", "reservation-expired"
    assert (order.status, order.reject_code) == expected
    again = await service.place_order(database, catalog, wish)
    assert again.replayed
    assert again.order.status == order.status


@pytest.mark.parametrize("heal", [_client_repeats, _reconciler_forward, _reconciler_back])
@pytest.mark.parametrize("point", ["after-S2", "before-T4", "after-T4"])
async def test_a_crash_after_a_refusal_is_healed_by_refusing(
    database_urls: dict[str, str],
    database: Database,
    admin: Database,
    catalog: FakeCatalog,
    point: str,
    heal: Healer,
) -> None:
    wish = intent((1, 101))
    await _die(database_urls["order"], catalog, failing(point, Killed()), wish)
    catalog.stock[1] = 500
    await heal(database, admin, catalog, wish)
    assert catalog.stock[1] == 500
    catalog.stock[1] = 100
    (order,) = await check(database, catalog)
    assert order.status == "rejected"


@pytest.mark.parametrize("heal", [_client_repeats, _reconciler_forward, _reconciler_back])
@pytest.mark.parametrize("point", ["before-release", "after-release"])
async def test_a_crash_at_another_price_is_healed_by_refusing(
    database_urls: dict[str, str],
    database: Database,
    admin: Database,
    catalog: FakeCatalog,
    point: str,
    heal: Healer,
) -> None:
    wish = intent((1, 1), expected=1)
    await _die(database_urls["order"], catalog, failing(point, Killed()), wish)
    await heal(database, admin, catalog, wish)
    (order,) = await check(database, catalog)
    assert order.status == "rejected"


@pytest.mark.parametrize(
    "point",
    ["after-take", "before-S2", "after-S2", "before-S3", "after-S3", "before-T4", "before-release", "after-release"],
)
async def test_a_reconciler_that_dies_is_followed_by_another(
    database_urls: dict[str, str], database: Database, admin: Database, catalog: FakeCatalog, point: str
) -> None:
    wish = intent((1, 2))
    await _die(database_urls["order"], catalog, failing("after-T1", Killed()), wish)
    await end_leases(admin, age=61 if "release" in point else None)
    reach = failing(point, Killed())
    dying = WatchedDatabase(database_urls["order"], reach, size=2)
    with pytest.raises(Killed):
        await reconcile_once(dying, WatchedCatalog(catalog, reach))
    await dying.close()
    assert await reconcile_once(database, catalog) == 0, "the lease holds while it lasts"
    await end_leases(admin)
    assert await reconcile_once(database, catalog) == 1
    await check(database, catalog)


@pytest.mark.parametrize("change", ["cancel", "refund"])
@pytest.mark.parametrize("point", ["before-move", "after-move", "before-return", "after-return"])
async def test_a_crash_while_cancelling_or_refunding_returns_stock_once(
    database_urls: dict[str, str],
    database: Database,
    admin: Database,
    catalog: FakeCatalog,
    point: str,
    change: str,
) -> None:
    wish = intent((1, 5))
    await service.place_order(database, catalog, wish)
    reach = failing(point, Killed())
    dying, watched = WatchedDatabase(database_urls["order"], reach, size=2), WatchedCatalog(catalog, reach)
    with pytest.raises(Killed):
        if change == "cancel":
            await service.cancel_order(dying, watched, wish.id, owner=wish.customer_id, actor="customer")
        else:
            await service.refund_order(dying, watched, wish.id, actor="admin:a")
    await dying.close()
    await end_leases(admin)
    assert await reconcile_once(database, catalog) == (0 if point == "before-move" else 1)
    (order,) = await check(database, catalog)
    assert order.status == (
        "confirmed" if point == "before-move" else {"cancel": "cancelled", "refund": "refunded"}[change]
    )
    assert catalog.stock[1] == (95 if point == "before-move" else 100)


async def test_an_order_that_gets_no_decision_is_tried_again_and_others_are_not_held_up(
    database: Database, admin: Database, catalog: FakeCatalog
) -> None:
    stuck, other = intent((1, 1)), intent((2, 1))
    away = WatchedCatalog(catalog, failing("before-S2", NoDecision()))
    for wish in (stuck, other):
        assert (await service.place_order(database, away, wish)).order.status == "pending"
    await end_leases(admin)
    first = True

    async def once(point: str) -> None:
        nonlocal first
        if point == "before-S2" and first:
            first = False
            raise NoDecision

    assert await reconcile_once(database, WatchedCatalog(catalog, once)) == 1
    await end_leases(admin)
    assert await reconcile_once(database, catalog) == 1
    assert {order.status for order in await check(database, catalog)} == {"confirmed"}


async def test_with_the_breaker_open_the_reconciler_takes_no_order(
    database: Database, admin: Database, catalog: FakeCatalog
) -> None:
    wish = intent()
    await service.place_order(database, WatchedCatalog(catalog, failing("before-S2", NoDecision())), wish)
    await end_leases(admin)
    catalog.open = True
    assert await reconcile_once(database, catalog) == 0
    catalog.open = False
    assert await reconcile_once(database, catalog) == 1


async def test_a_database_that_goes_away_at_the_decision_leaves_an_order_that_heals(
    database_urls: dict[str, str], database: Database, admin: Database, catalog: FakeCatalog
) -> None:
    wish = intent((1, 2))
    reach = failing("before-T4", Unavailable("gone"))
    away = WatchedDatabase(database_urls["order"], reach, size=2)
    with pytest.raises(Unavailable):
        await service.place_order(away, catalog, wish)
    await away.close()
    assert catalog.state(wish.id) == "committed"
    await end_leases(admin, age=3600)
    assert await reconcile_once(database, catalog) == 1
    (order,) = await check(database, catalog)
    assert order.status == "confirmed"


async def test_reconcilers_and_customers_under_random_crashes_lose_nothing(
    database_urls: dict[str, str], database: Database, admin: Database, catalog: FakeCatalog
) -> None:
    random = Random(20260101)

    async def reach(_: str) -> None:
        await asyncio.sleep(0)
        if random.random() < 0.08:
            raise random.choice([Killed(), NoDecision()])

    async def buy(wish: Intent) -> None:
        for _ in range(4):
            flaky = WatchedDatabase(database_urls["order"], reach, size=1)
            with contextlib.suppress(Killed, Exception):
                await service.place_order(flaky, WatchedCatalog(catalog, reach), wish)
                if random.random() < 0.3:
                    await service.cancel_order(
                        flaky, WatchedCatalog(catalog, reach), wish.id, owner=wish.customer_id, actor="customer"
                    )
            await flaky.close()
            await end_leases(admin, age=random.choice([1, 61]))
            with contextlib.suppress(Killed):
                await reconcile_once(database, WatchedCatalog(catalog, reach))

    wishes = [intent((1, random.randint(1, 9)), (2, random.randint(1, 9))) for _ in range(40)]
    for start in range(0, len(wishes), 4):
        await asyncio.gather(*(buy(wish) for wish in wishes[start : start + 4]))
    for age in (None, 61, 61):
        await end_leases(admin, age=age)
        await reconcile_once(database, WatchedCatalog(catalog, nothing))
    orders = await check(database, catalog)
    assert {"confirmed", "cancelled", "rejected"} <= {str(order.status) for order in orders}
