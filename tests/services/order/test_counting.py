"""What is counted when drivers die on the way: every change once, whoever made it, and never twice."""

from collections import Counter

import pytest

from services.chassis.database import Database
from services.chassis.metrics import Metric
from services.order import service
from services.order.catalog import NoDecision
from services.order.model import Status, Unfinished
from services.order.service import protocol
from tests.services.order.fakes import (
    FakeCatalog,
    Killed,
    WatchedCatalog,
    WatchedDatabase,
    failing,
    intent,
)
from tests.services.order.invariants import end_leases

SOLD = Counter({"OrdersPlaced": 1, "Revenue": 500})
REFUSED = Counter({"OrdersRefused timed-out": 1})


class Noted(Counter[str]):
    def __call__(self, metric: Metric, value: float = 1, key: str = "") -> None:
        self[f"{metric.name} {key}".strip()] += int(value)


@pytest.mark.parametrize("age", [None, 61], ids=["forward", "back"])
@pytest.mark.parametrize(
    "point", ["after-T1", "before-S2", "after-S2", "before-S3", "after-S3", "before-T4", "after-T4"]
)
async def test_an_order_whose_driver_died_is_counted_by_whoever_decides_it(
    database_urls: dict[str, str],
    database: Database,
    admin: Database,
    catalog: FakeCatalog,
    point: str,
    age: int | None,
) -> None:
    """Where the process dies with the answer of PostgreSQL in its hands, nobody can count it."""
    noted, wish, reach = Noted(), intent((1, 2)), failing(point, Killed())
    dying = WatchedDatabase(database_urls["order"], reach, size=2)
    with pytest.raises(Killed):
        await service.place_order(dying, WatchedCatalog(catalog, reach), wish, observe=noted)
    await dying.close()
    assert noted == Counter()
    await end_leases(admin, age=age)
    for _ in range(2):
        await service.reconcile_once(database, catalog, observe=noted)
        await service.place_order(database, catalog, wish, observe=noted)
    late = Unfinished(id=wish.id, status=Status.PENDING, lines=wish.lines, expected_total_cents=None)
    await protocol.drive(database, catalog, late, actor="late", observe=noted)
    undecided = {"after-T1", "before-S2", "after-S2", "before-S3"}
    expected = Counter[str]() if point == "after-T4" else REFUSED if age and point in undecided else SOLD
    assert noted == expected


@pytest.mark.parametrize("reason", ["cancel", "refund"])
async def test_goods_that_the_reconciler_brings_back_are_counted_once(
    database: Database, admin: Database, catalog: FakeCatalog, reason: str
) -> None:
    noted, wish = Noted(), intent((1, 2))
    await service.place_order(database, catalog, wish)
    away = WatchedCatalog(catalog, failing("before-return", NoDecision()))
    if reason == "cancel":
        order = await service.cancel_order(database, away, wish.id, owner=None, actor="admin:a", observe=noted)
    else:
        order = await service.refund_order(database, away, wish.id, actor="admin:a", observe=noted)
    assert order.status in {Status.CANCELLING, Status.REFUNDING}
    assert noted == Counter()
    await end_leases(admin)
    for _ in range(2):
        await service.reconcile_once(database, catalog, observe=noted)
    await protocol.give_back(database, catalog, wish.id, order.status, actor="late", observe=noted)
    assert noted == Counter({f"OrdersReturned {reason}": 1, f"Returned {reason}": 500})
