"""Every statement on real PostgreSQL: what it writes, what it refuses, and what a second one finds."""

import asyncio
import json
import uuid
from typing import Any
from uuid import UUID

import pytest

from services.chassis.connection import ConstraintViolation
from services.chassis.database import Database
from services.chassis.session import ServerError
from services.order import store
from services.order.model import Cursor, Intent, Line, PricedLine, Reservation, Status, Unfinished
from services.order.store.changes import Inserted
from tests.services.order.fakes import intent

APPLE = PricedLine(product_id=1, qty=2, unit_price_cents=250, sku="A-1", name="Apple")
PEAR = PricedLine(product_id=2, qty=1, unit_price_cents=99, sku="P-1", name='Pear "Conference"')
BASKET = Reservation(committed=True, lines=(APPLE, PEAR), total_cents=599)


async def insert(database: Database, wish: Intent) -> Inserted:
    async with database.connection() as connection:
        return await store.insert_order(connection, wish)


async def confirm(database: Database, order_id: UUID, reservation: Reservation = BASKET) -> bool:
    async with database.connection() as connection:
        return await store.confirm_order(connection, order_id, reservation, "test")


async def reject(database: Database, order_id: UUID) -> bool:
    async with database.connection() as connection:
        return await store.reject_order(connection, order_id, "insufficient-stock", "test")


async def move(
    database: Database, order_id: UUID, was: list[Status], status: Status, owner: UUID | None = None
) -> bool:
    async with database.connection() as connection:
        return await store.move_order(connection, order_id, owner=owner, was=was, status=status, actor="test")


async def let_lease_end(admin: Database, order_id: UUID, *, age: int = 0) -> None:
    async with admin.connection() as connection:
        await connection.execute(
            "UPDATE ordering.orders SET lease_until = now() - interval '1 ms',"
            " created_at = now() - $2::int * interval '1 s' WHERE id = $1::uuid",
            order_id,
            age,
        )


def line(**members: object) -> dict[str, object]:
    return members


async def events(database: Database, order_id: UUID) -> list[tuple[str | None, str]]:
    async with database.read() as connection:
        text = await store.select_events(connection, order_id, None)
    return [(event["was"], event["status"]) for event in json.loads(text or b"")["items"]]


async def body(database: Database, order_id: UUID) -> dict[str, object]:
    async with database.read() as connection:
        order = await store.select_order(connection, order_id, None)
    assert order
    document: dict[str, object] = json.loads(order.body)
    return document


async def test_an_intent_is_written_with_its_lines_and_its_first_event(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    assert await insert(database, wish) == (True, True)
    document = await body(database, wish.id)
    assert document["status"] == "pending"
    assert document["customer_id"] == str(wish.customer_id)
    assert document["total_cents"] is None
    assert document["decided_at"] is None
    assert document["lines"] == [
        line(product_id=1, sku=None, name=None, qty=2, unit_price_cents=None, line_total_cents=None),
        line(product_id=2, sku=None, name=None, qty=1, unit_price_cents=None, line_total_cents=None),
    ]
    assert await events(database, wish.id) == [(None, "pending")]


async def test_an_intent_costs_one_round_trip(database: Database) -> None:
    await database.ping()
    before = database.round_trips
    await insert(database, intent((1, 2), (2, 1), (3, 5)))
    assert database.round_trips - before == 1


async def test_a_key_is_taken_once_per_customer(database: Database) -> None:
    first = intent(key="same")
    await insert(database, first)
    again = intent(customer=first.customer_id, key="same")
    assert await insert(database, again) == (False, True)
    assert await insert(database, intent(key="same")) == (True, True)


async def test_of_two_intents_with_one_key_at_once_one_is_written(database: Database) -> None:
    customer = uuid.uuid4()
    wishes = [intent(customer=customer, key="same") for _ in range(5)]
    results = await asyncio.gather(*(insert(database, wish) for wish in wishes))
    assert sorted(result.done for result in results) == [False] * 4 + [True]


async def test_a_fourth_undecided_order_of_a_customer_is_not_written(database: Database) -> None:
    customer = uuid.uuid4()
    wishes = [intent(customer=customer) for _ in range(4)]
    results = [await insert(database, wish) for wish in wishes]
    assert results == [(True, True)] * 3 + [(False, False)]
    await reject(database, wishes[1].id)
    assert await insert(database, intent(customer=customer)) == (True, True)


async def test_undecided_orders_stay_three_when_many_come_at_once(database: Database) -> None:
    customer = uuid.uuid4()
    for _ in range(5):
        await asyncio.gather(*(insert(database, intent(customer=customer)) for _ in range(6)))
    async with database.read() as connection:
        count = await connection.fetch_value("SELECT count(*) FROM ordering.orders WHERE customer_id = $1", customer)
    assert count == 3


async def test_two_orders_at_once_do_not_get_one_slot(database: Database) -> None:
    """Both see every slot free; the index alone tells them apart."""
    customer = uuid.uuid4()
    async with database.transaction() as connection:
        await store.insert_order(connection, intent(customer=customer))
        second = asyncio.create_task(insert(database, intent(customer=customer)))
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
    assert not (await second).done


async def test_a_lease_is_taken_only_when_it_is_over(database: Database, admin: Database) -> None:
    wish = intent()
    await insert(database, wish)
    async with database.connection() as connection:
        assert await store.take_lease(connection, wish) is None
        await let_lease_end(admin, wish.id)
        assert await store.take_lease(connection, wish) == wish.id
        assert await store.take_lease(connection, wish) is None


async def test_a_lease_is_not_taken_for_another_request_under_the_same_key(database: Database, admin: Database) -> None:
    wish = intent((1, 1))
    await insert(database, wish)
    await let_lease_end(admin, wish.id)
    other = intent((1, 2), customer=wish.customer_id, key=wish.key)
    async with database.connection() as connection:
        assert await store.take_lease(connection, other) is None


async def test_a_decided_order_has_no_lease_to_take(database: Database, admin: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await confirm(database, wish.id)
    await let_lease_end(admin, wish.id)
    async with database.connection() as connection:
        assert await store.take_lease(connection, wish) is None
        assert await store.take_unfinished(connection) is None


async def test_a_yielded_lease_can_be_taken_at_once(database: Database) -> None:
    wish = intent()
    await insert(database, wish)
    async with database.connection() as connection:
        await store.yield_lease(connection, wish.id)
        assert await store.take_lease(connection, wish) == wish.id


async def test_an_unfinished_order_is_handed_out_once(database: Database, admin: Database) -> None:
    wish = intent((2, 1), (1, 2), expected=599)
    await insert(database, wish)
    async with database.connection() as connection:
        assert await store.take_unfinished(connection) is None
    await let_lease_end(admin, wish.id, age=59)

    async def take() -> object:
        async with database.connection() as connection:
            return await store.take_unfinished(connection)

    taken = [order for order in await asyncio.gather(*(take() for _ in range(4))) if order]
    assert taken == [
        Unfinished(
            id=wish.id, status=Status.PENDING, lines=(Line(1, 2), Line(2, 1)), expected_total_cents=599, young=True
        )
    ]


async def test_an_order_is_old_after_a_minute(database: Database, admin: Database) -> None:
    wish = intent()
    await insert(database, wish)
    await let_lease_end(admin, wish.id, age=61)
    async with database.connection() as connection:
        order = await store.take_unfinished(connection)
    assert order
    assert not order.young


async def test_the_order_that_waited_longest_comes_first(database: Database, admin: Database) -> None:
    first, second = intent(), intent()
    for wish in (second, first):
        await insert(database, wish)
    await let_lease_end(admin, first.id)
    await asyncio.sleep(0.01)
    await let_lease_end(admin, second.id)
    async with database.connection() as connection:
        taken = [await store.take_unfinished(connection), await store.take_unfinished(connection)]
    assert [order.id for order in taken if order] == [first.id, second.id]


async def test_a_confirmed_order_has_the_prices_of_its_reservation(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    assert await confirm(database, wish.id)
    document = await body(database, wish.id)
    assert document["status"] == "confirmed"
    assert document["total_cents"] == 599
    assert document["decided_at"] is not None
    assert document["lines"] == [
        line(product_id=1, sku="A-1", name="Apple", qty=2, unit_price_cents=250, line_total_cents=500),
        line(product_id=2, sku="P-1", name='Pear "Conference"', qty=1, unit_price_cents=99, line_total_cents=99),
    ]
    assert await events(database, wish.id) == [(None, "pending"), ("pending", "confirmed")]


async def test_an_order_is_decided_once(database: Database) -> None:
    confirmed, rejected = intent((1, 2), (2, 1)), intent((1, 2), (2, 1))
    for wish in (confirmed, rejected):
        await insert(database, wish)
    assert await confirm(database, confirmed.id)
    assert not await confirm(database, confirmed.id)
    assert not await reject(database, confirmed.id)
    assert await reject(database, rejected.id)
    assert not await confirm(database, rejected.id)
    assert (await body(database, confirmed.id))["status"] == "confirmed"
    late = await body(database, rejected.id)
    assert (late["status"], late["reject_code"], late["total_cents"]) == ("rejected", "insufficient-stock", None)
    assert await events(database, rejected.id) == [(None, "pending"), ("pending", "rejected")]


async def test_a_late_confirmation_does_not_price_a_rejected_order(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await reject(database, wish.id)
    await confirm(database, wish.id)
    async with database.read() as connection:
        priced = await connection.fetch_value(
            "SELECT count(*) FROM ordering.order_line WHERE order_id = $1 AND name IS NOT NULL", wish.id
        )
    assert priced == 0


async def test_a_decision_and_the_answer_to_it_cost_one_round_trip(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    before = database.round_trips
    async with database.connection() as connection:
        changed, order = await asyncio.gather(
            store.confirm_order(connection, wish.id, BASKET, "test"), store.select_decided(connection, wish.id)
        )
    assert database.round_trips - before == 1
    assert changed
    assert order
    assert order.status == "confirmed"


async def test_of_cancel_and_refund_at_once_one_moves_the_order(database: Database) -> None:
    for _ in range(10):
        wish = intent((1, 2), (2, 1))
        await insert(database, wish)
        await confirm(database, wish.id)
        moved = await asyncio.gather(
            move(database, wish.id, [Status.CONFIRMED], Status.CANCELLING),
            move(database, wish.id, [Status.CONFIRMED, Status.SHIPPED], Status.REFUNDING),
            move(database, wish.id, [Status.CONFIRMED], Status.SHIPPED),
        )
        log = await events(database, wish.id)
        # Shipping first lets the refund follow; nothing else may follow anything.
        assert sum(moved) in ({1, 2} if ("confirmed", "shipped") in log else {1})
        assert [was for was, _ in log[1:]] == [status for _, status in log[:-1]]


async def test_a_move_that_waited_for_another_names_the_state_it_left(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await confirm(database, wish.id)
    async with database.transaction() as connection:
        await store.move_order(connection, wish.id, was=[Status.CONFIRMED], status=Status.SHIPPED, actor="test")
        refund = asyncio.create_task(move(database, wish.id, [Status.CONFIRMED, Status.SHIPPED], Status.REFUNDING))
        await asyncio.sleep(0.1)
        assert not refund.done()
    assert await refund
    assert (await events(database, wish.id))[-1] == ("shipped", "refunding")


async def test_an_order_is_moved_for_its_owner_alone(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await confirm(database, wish.id)
    assert not await move(database, wish.id, [Status.CONFIRMED], Status.CANCELLING, owner=uuid.uuid4())
    assert await move(database, wish.id, [Status.CONFIRMED], Status.CANCELLING, owner=wish.customer_id)


async def test_a_move_that_the_picture_does_not_have_is_refused_by_the_database(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await confirm(database, wish.id)
    with pytest.raises(ConstraintViolation) as violation:
        await move(database, wish.id, [Status.CONFIRMED], Status.REFUNDED)
    assert violation.value.constraint == "allowed_move"
    assert (await body(database, wish.id))["status"] == "confirmed"


async def test_no_state_is_entered_twice(database: Database) -> None:
    wish = intent()
    await insert(database, wish)
    with pytest.raises(ConstraintViolation) as violation:
        async with database.connection() as connection:
            await connection.execute(
                "INSERT INTO ordering.order_event (order_id, status, actor) VALUES ($1, 'pending', 'test')", wish.id
            )
    assert violation.value.constraint == "entered_once"


@pytest.mark.parametrize(
    "statement", ["UPDATE ordering.order_event SET status = 'pending'", "DELETE FROM ordering.order_event"]
)
async def test_the_log_cannot_be_changed(database: Database, statement: str) -> None:
    with pytest.raises(ServerError) as refusal:
        async with database.connection() as connection:
            await connection.execute(statement)
    assert refusal.value.sqlstate == "42501"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'confirmed', decided_at = now()", "priced_if_confirmed"),
        ("status = 'rejected', decided_at = now()", "code_if_rejected"),
        ("decided_at = now()", "decided_unless_pending"),
        ("status = 'lost', decided_at = now(), total_cents = 1", "orders_status_check"),
        ("pending_slot = 4", "orders_pending_slot_check"),
    ],
)
async def test_a_row_that_makes_no_sense_is_refused(database: Database, change: str, constraint: str) -> None:
    wish = intent()
    await insert(database, wish)
    with pytest.raises(ConstraintViolation) as violation:
        async with database.connection() as connection:
            await connection.execute(f"UPDATE ordering.orders SET {change} WHERE id = $1", wish.id)  # noqa: S608
    assert violation.value.constraint == constraint


async def test_a_repeated_request_reads_the_same_bytes_however_far_the_order_has_moved(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await confirm(database, wish.id)

    async def decided() -> bytes:
        async with database.read() as connection:
            by_key = await store.select_decided_by_key(connection, wish.customer_id, wish.key)
            by_id = await store.select_decided(connection, wish.id)
            assert by_key
            assert by_id
            assert by_key.body == by_id.body
            return by_key.body

    at_first = await decided()
    async with database.read() as connection:
        now = await store.select_order(connection, wish.id, None)
    assert now
    assert now.body == at_first
    async with database.connection() as connection:
        await store.move_order(
            connection, wish.id, was=[Status.CONFIRMED], status=Status.SHIPPED, actor="test", tracking="T-1"
        )
    assert await decided() == at_first
    assert (await body(database, wish.id))["tracking"] == "T-1"


async def test_an_order_and_its_log_are_read_by_their_owner_alone(database: Database) -> None:
    wish = intent()
    await insert(database, wish)
    async with database.read() as connection:
        assert await store.select_order(connection, wish.id, wish.customer_id)
        assert await store.select_order(connection, wish.id, uuid.uuid4()) is None
        assert await store.select_events(connection, wish.id, wish.customer_id)
        assert await store.select_events(connection, wish.id, uuid.uuid4()) is None


async def test_an_owner_sees_that_it_was_the_staff_and_not_who(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await confirm(database, wish.id)
    async with database.connection() as connection:
        await store.move_order(connection, wish.id, was=[Status.CONFIRMED], status=Status.SHIPPED, actor="admin:anna")
        own = await store.select_events(connection, wish.id, wish.customer_id)
        full = await store.select_events(connection, wish.id, None)
    assert own
    assert full
    assert json.loads(own)["items"][-1]["actor"] == "admin"
    assert json.loads(full)["items"][-1]["actor"] == "admin:anna"


async def pages(database: Database, limit: int, **conditions: object) -> list[str]:
    ids: list[str] = []
    cursor: Cursor | None = None
    async with database.read() as connection:
        for _ in range(100):
            page = json.loads(await store.select_orders(connection, after=cursor, limit=limit, **conditions))  # type: ignore[arg-type]
            assert len(page["items"]) <= limit
            ids += [order["id"] for order in page["items"]]
            if page["next"] is None:
                return ids
            assert len(page["items"]) == limit
            cursor = Cursor.parse(page["next"])
    pytest.fail("the pages do not end")


async def test_pages_show_each_order_once_newest_first_even_within_one_moment(
    database: Database, admin: Database
) -> None:
    wishes = [intent() for _ in range(9)]
    for wish in wishes:
        await insert(database, wish)
    async with admin.connection() as connection:  # three moments, three orders in each
        for position, wish in enumerate(wishes):
            await connection.execute(
                "UPDATE ordering.orders SET created_at = timestamptz '2026-01-01 00:00:00.123456+00'"
                " + $2::int * interval '1 microsecond' WHERE id = $1::uuid",
                wish.id,
                position // 3,
            )
    expected = [
        str(wish.id)
        for position, wish in sorted(enumerate(wishes), key=lambda pair: (pair[0] // 3, pair[1].id), reverse=True)
    ]
    for limit in (1, 2, 3, 4, 9, 100):
        assert await pages(database, limit) == expected


async def test_pages_can_be_of_one_customer_or_one_state(database: Database) -> None:
    customer = uuid.uuid4()
    mine = [intent((1, 2), (2, 1), customer=customer) for _ in range(2)]
    for wish in [*mine, intent()]:
        await insert(database, wish)
    await confirm(database, mine[0].id)
    assert set(await pages(database, 1, customer_id=customer)) == {str(wish.id) for wish in mine}
    assert await pages(database, 1, status=Status.CONFIRMED) == [str(mine[0].id)]
    assert await pages(database, 1, customer_id=customer, status=Status.PENDING) == [str(mine[1].id)]
    assert await pages(database, 1, customer_id=uuid.uuid4()) == []


async def test_an_order_in_a_page_has_the_bytes_that_it_has_alone(database: Database) -> None:
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await confirm(database, wish.id)
    async with database.read() as connection:
        order = await store.select_order(connection, wish.id, None)
        page = await store.select_orders(connection, limit=10)
    assert order
    assert order.body in page


async def report(database: Database, hours: int) -> Any:
    async with database.read() as connection:
        return json.loads(await store.select_report(connection, hours) or b"")


async def place_earlier(database: Database, admin: Database, hours: int) -> UUID:
    """An order of BASKET, confirmed, that came so many whole hours ago."""
    wish = intent((1, 2), (2, 1))
    await insert(database, wish)
    await confirm(database, wish.id)
    async with admin.connection() as connection:
        await connection.execute(
            "UPDATE ordering.orders SET created_at = date_trunc('hour', now()) - $2::int * interval '1 hour'"
            " WHERE id = $1::uuid",
            wish.id,
            hours,
        )
    return wish.id


async def test_the_report_counts_each_confirmed_order_in_the_hour_it_came(database: Database, admin: Database) -> None:
    before = await report(database, 3)
    assert (before["orders"], before["revenue_cents"], before["best_sellers"], before["by_status"]) == (0, 0, [], {})
    for hours in (0, 0, 2, 3, 200):
        await place_earlier(database, admin, hours)
    refused = intent()
    await insert(database, refused)
    await reject(database, refused.id)
    found = await report(database, 3)
    assert [(hour["orders"], hour["revenue_cents"]) for hour in found["hours"]] == [(1, 599), (0, 0), (2, 1198)]
    assert [hour["at"][14:19] for hour in found["hours"]] == ["00:00"] * 3
    assert (found["orders"], found["revenue_cents"]) == (3, 3 * 599)
    assert found["by_status"] == {"confirmed": 3, "rejected": 1}
    assert [(line["sku"], line["qty"], line["revenue_cents"]) for line in found["best_sellers"]] == [
        ("A-1", 6, 1500),
        ("P-1", 3, 297),
    ]
    assert len((await report(database, 168))["hours"]) == 168


async def test_the_report_says_what_no_longer_stands_and_sells_it_no_more(database: Database, admin: Database) -> None:
    cancelled, refunded, _ = [await place_earlier(database, admin, 0) for _ in range(3)]
    await move(database, cancelled, [Status.CONFIRMED], Status.CANCELLING)
    await move(database, refunded, [Status.CONFIRMED], Status.REFUNDING)
    await move(database, refunded, [Status.REFUNDING], Status.REFUNDED)
    found = await report(database, 1)
    assert (found["orders"], found["cancelled"], found["refunded"], found["revenue_cents"]) == (3, 1, 1, 3 * 599)
    assert [line["qty"] for line in found["best_sellers"]] == [2, 1]
