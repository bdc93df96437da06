"""The guards of the protocol that `hunt` takes away, one at a time, and the tests that must notice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in the file at `path`; with `new` in its place one of `tests` must fail."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


def _m(name: str, path: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, path, old, new, tests)


RESERVATIONS = "services/product/store/reservations.py"
RESERVING = "tests/services/product/service/test_reserving.py"
DECISIONS = "tests/services/product/service/test_decisions.py"
STOCK = "services/product/store/stock.py"
CHANGING = "tests/services/product/service/test_stock.py"
PRODUCT_SQL = "services/product/sql/0002_stock.sql"
CONSTRAINTS = "tests/chaos/test_constraints.py::test_the_database_refuses_what_must_never_be"
ORDERS = "services/order/store/changes.py"
ORDER_SQL = "services/order/sql/0001_orders.sql"
STORED = "tests/services/order/test_store.py"
SERVED = "tests/services/order/test_service.py"
MEETING = "tests/services/order/test_interleavings.py"
ASKING = "tests/services/order/test_catalog.py"
CATALOG = "services/order/catalog.py"

MUTANTS = (
    # --- reserving ------------------------------------------------------------------------------------------------
    _m(
        "reserve: an id that is known",
        RESERVATIONS,
        "            ON CONFLICT (id) DO NOTHING\n            RETURNING id, state, expires_at",
        "            RETURNING id, state, expires_at",
        f"{RESERVING}::test_reserving_again_gives_the_same_and_takes_nothing",
    ),
    _m(
        "reserve: products locked for a known id",
        RESERVATIONS,
        "               AND EXISTS (SELECT FROM made)\n",
        "",
        f"{RESERVING}::test_known_reservation_locks_no_product",
    ),
    _m(
        "reserve: the order of locks",
        RESERVATIONS,
        "             ORDER BY id\n               FOR UPDATE",
        "               FOR UPDATE",
        f"{RESERVING}::test_products_are_locked_in_the_order_of_their_ids_when_reserving",
    ),
    _m(
        "reserve: the lock",
        RESERVATIONS,
        "             ORDER BY id\n               FOR UPDATE",
        "             ORDER BY id",
        f"{RESERVING}::test_waiting_reservation_sees_what_the_first_one_left",
    ),
    _m(
        "reserve: what is not for sale",
        RESERVATIONS,
        "locked.active IS NOT TRUE",
        "locked.active IS NULL",
        f"{RESERVING}::test_product_that_is_not_for_sale_cannot_be_reserved",
    ),
    _m(
        "reserve: more than there is",
        RESERVATIONS,
        "locked.stock < wanted.qty",
        "locked.stock < 0",
        f"{RESERVING}::test_one_short_line_refuses_all_and_names_it",
    ),
    _m(
        "reserve: all lines or none",
        RESERVATIONS,
        "\n               AND NOT EXISTS (SELECT FROM verdict WHERE refusal IS NOT NULL)",
        "\n               AND verdict.refusal IS NULL",
        f"{RESERVING}::test_one_short_line_refuses_all_and_names_it",
    ),
    _m(
        "reserve: the ledger",
        RESERVATIONS,
        "SELECT product_id, -qty, 'reserve', $1::uuid FROM taken",
        "SELECT product_id, -qty, 'reserve', $1::uuid FROM taken WHERE false",
        "tests/services/order/test_with_product.py::test_an_order_is_placed_cancelled_and_refunded",
    ),
    _m(
        "reserve: a refusal is a tombstone",
        "services/product/service/reservations.py",
        "            await store.update_reservation_refused(connection, reservation_id, code, product_ids)\n",
        "",
        f"{RESERVING}::test_refusal_stands_after_restocking",
    ),
    _m(
        "reserve: the fingerprint",
        "services/product/model/reservations.py",
        "    if known.fingerprint is not None and known.fingerprint != wanted:",
        "    if known.fingerprint is None:",
        f"{RESERVING}::test_other_lines_under_the_same_id_are_refused",
    ),
    # --- deciding -------------------------------------------------------------------------------------------------
    _m(
        "confirm: only what is held",
        RESERVATIONS,
        "         WHERE id = $1::uuid\n           AND state = 'held'\n",
        "         WHERE id = $1::uuid\n",
        f"{DECISIONS}::test_releasing_gives_back_once",
    ),
    _m(
        "release: a tombstone for what was never seen",
        "services/product/service/reservations.py",
        "        _, _, known = await asyncio.gather(\n"
        "            store.insert_tombstone(connection, reservation_id, reason),\n",
        "        _, known = await asyncio.gather(\n",
        f"{DECISIONS}::test_released_before_it_was_reserved_it_can_never_be_reserved",
    ),
    _m(
        "release: a tombstone beside a reservation",
        RESERVATIONS,
        "        VALUES ($1::uuid, 'released', $2, now())\n        ON CONFLICT (id) DO NOTHING\n",
        "        VALUES ($1::uuid, 'released', $2, now())\n",
        f"{DECISIONS}::test_releasing_gives_back_once",
    ),
    _m(
        "give back: only from the state before",
        RESERVATIONS,
        "         WHERE id = $1::uuid\n           AND state = $2\n",
        "         WHERE id = $1::uuid\n           AND state <> $3 AND $2 <> ''\n",
        f"{DECISIONS}::test_committed_goods_are_not_released",
    ),
    _m(
        "give back: once",
        RESERVATIONS,
        "         WHERE id = $1::uuid\n           AND state = $2\n",
        "         WHERE id = $1::uuid\n           AND state IN ($2, $3)\n",
        f"{DECISIONS}::test_returning_gives_back_once",
    ),
    _m(
        "give back: the order of locks",
        RESERVATIONS,
        "         ORDER BY product.id\n           FOR UPDATE OF product",
        "           FOR UPDATE OF product",
        "tests/chaos/test_locks.py::test_stock_is_given_back_in_the_order_of_the_products",
    ),
    _m(
        "give back: the answer of a return",
        "services/product/service/reservations.py",
        '    if (state := _found(known).state) != "returned":\n        raise NotCommitted\n    return state',
        "    return _found(known).state",
        f"{DECISIONS}::test_goods_that_are_only_held_or_released_cannot_be_returned",
    ),
    _m(
        "sweep: only what has expired",
        RESERVATIONS,
        "           AND expires_at < now()\n",
        "",
        f"{DECISIONS}::test_sweeper_gives_back_what_has_expired_and_only_that",
    ),
    _m(
        "sweep: only what is held",
        RESERVATIONS,
        "         WHERE state = 'held'\n           AND expires_at",
        "         WHERE expires_at",
        f"{DECISIONS}::test_sweeper_gives_back_what_has_expired_and_only_that",
    ),
    _m(
        "sweep: passes by what is locked",
        RESERVATIONS,
        "FOR UPDATE SKIP LOCKED",
        "FOR UPDATE",
        f"{DECISIONS}::test_sweeper_passes_by_what_a_driver_is_confirming",
    ),
    # --- stock changed by hand ------------------------------------------------------------------------------------
    _m(
        "stock change: the lock",
        STOCK,
        "WHERE id = $1::bigint FOR UPDATE",
        "WHERE id = $1::bigint",
        f"{CHANGING}::test_stock_change_that_waits_for_a_buyer_counts_from_what_he_left",
    ),
    _m(
        "stock change: the bounds",
        STOCK,
        "CASE WHEN stock + $3::bigint BETWEEN 0 AND $6::bigint THEN",
        "CASE WHEN $6::bigint > 0 THEN",
        f"{CHANGING}::test_stock_change_below_zero_is_refused_for_good",
    ),
    _m(
        "stock change: a key that is known",
        STOCK,
        "            ON CONFLICT (product_id, key) DO NOTHING\n",
        "",
        f"{CHANGING}::test_stock_change_is_carried_out_once",
    ),
    _m(
        "stock change: a key for another change",
        "services/product/model/stock.py",
        "    if (recorded.delta, recorded.reason) != (change.delta, change.reason):",
        "    if recorded.delta == 0:",
        f"{CHANGING}::test_stock_change_is_carried_out_once",
    ),
    # --- the constraints of the catalogue -------------------------------------------------------------------------
    _m(
        "constraint: stock is never negative",
        "services/product/sql/0001_catalogue.sql",
        " CONSTRAINT product_stock_check CHECK (stock >= 0)",
        "",
        f"{CONSTRAINTS}[product_stock_check]",
    ),
    _m(
        "constraint: a movement happens once",
        PRODUCT_SQL,
        "    CONSTRAINT stock_movement_once UNIQUE (ref, product_id, reason)",
        "    CONSTRAINT stock_movement_once CHECK (ref IS NOT NULL)",
        f"{CONSTRAINTS}[stock_movement_once]",
    ),
    _m(
        "constraint: what is released has a reason",
        PRODUCT_SQL,
        "CHECK (reason IS NOT NULL OR state IN ('held', 'committed'))",
        "CHECK (state IS NOT NULL)",
        f"{CONSTRAINTS}[reservation_reason_check]",
    ),
    # --- the intent -----------------------------------------------------------------------------------------------
    _m(
        "intent: a key that is known",
        ORDERS,
        "    ON CONFLICT DO NOTHING\n",
        "",
        f"{STORED}::test_a_key_is_taken_once_per_customer",
    ),
    _m(
        "intent: one order under a key",
        ORDER_SQL,
        "    CONSTRAINT one_order_per_key UNIQUE (customer_id, idem_key),\n",
        "",
        f"{STORED}::test_a_key_is_taken_once_per_customer",
    ),
    _m(
        "intent: three undecided orders",
        ORDER_SQL,
        "CREATE UNIQUE INDEX orders_pending_slot ON",
        "CREATE INDEX orders_pending_slot ON",
        f"{STORED}::test_two_orders_at_once_do_not_get_one_slot",
    ),
    _m(
        "intent: the fingerprint",
        "services/order/service/placing.py",
        "    if order.fingerprint != intent.fingerprint:",
        "    if not order.fingerprint:",
        f"{SERVED}::test_a_key_does_not_serve_another_request",
    ),
    _m(
        "lease: not before it is over",
        ORDERS,
        "   AND status = 'pending' AND lease_until < now()\nRETURNING id",
        "   AND status = 'pending'\nRETURNING id",
        f"{STORED}::test_a_lease_is_taken_only_when_it_is_over",
    ),
    _m(
        "lease: not of a decided order",
        ORDERS,
        "   AND status = 'pending' AND lease_until < now()\nRETURNING id",
        "   AND lease_until < now()\nRETURNING id",
        f"{STORED}::test_a_decided_order_has_no_lease_to_take",
    ),
    _m(
        "lease: not for another request",
        ORDERS,
        "AND fingerprint = $3::bytea",
        "AND $3::bytea IS NOT NULL",
        f"{STORED}::test_a_lease_is_not_taken_for_another_request_under_the_same_key",
    ),
    _m(
        "reconciler: not before the lease is over",
        ORDERS,
        "WHERE status IN ('pending', 'cancelling', 'refunding') AND lease_until < now()",
        "WHERE status IN ('pending', 'cancelling', 'refunding')",
        f"{STORED}::test_an_unfinished_order_is_handed_out_once",
    ),
    _m(
        "reconciler: passes by what is locked",
        ORDERS,
        "FOR UPDATE SKIP LOCKED",
        "FOR UPDATE",
        "tests/chaos/test_locks.py::test_a_reconciler_passes_by_an_order_that_somebody_is_deciding",
    ),
    _m(
        "reconciler: back when it is old",
        "services/order/service/reconciler.py",
        "    if order.young:",
        "    if True:",
        f"{MEETING}::test_a_reserve_that_arrives_after_the_release_does_not_come_alive",
    ),
    # --- following the decision -----------------------------------------------------------------------------------
    _m(
        "confirm an order: only a pending one",
        ORDERS,
        "SET status = 'confirmed', total_cents = $2::bigint, decided_at = now()\n"
        "     WHERE id = $1::uuid AND status = 'pending'",
        "SET status = 'confirmed', total_cents = $2::bigint, decided_at = now()\n     WHERE id = $1::uuid",
        f"{STORED}::test_an_order_is_decided_once",
    ),
    _m(
        "reject an order: only a pending one",
        ORDERS,
        "SET status = 'rejected', reject_code = $2::text, decided_at = now()\n"
        "     WHERE id = $1::uuid AND status = 'pending'",
        "SET status = 'rejected', reject_code = $2::text, decided_at = now()\n     WHERE id = $1::uuid",
        f"{STORED}::test_an_order_is_decided_once",
    ),
    _m(
        "move an order: only from a state before",
        ORDERS,
        "AND o.status = ANY($3::text[]) FOR UPDATE",
        "AND $3::text[] IS NOT NULL FOR UPDATE",
        f"{SERVED}::test_what_is_shipped_is_not_cancelled_but_refunded",
    ),
    _m(
        "move an order: the lock",
        ORDERS,
        "AND o.status = ANY($3::text[]) FOR UPDATE",
        "AND o.status = ANY($3::text[])",
        f"{STORED}::test_a_move_that_waited_for_another_names_the_state_it_left",
        f"{STORED}::test_of_cancel_and_refund_at_once_one_moves_the_order",
    ),
    _m(
        "move an order: only one's own",
        ORDERS,
        "WHERE o.id = $1::uuid AND {MINE} AND o.status",
        "WHERE o.id = $1::uuid AND ({MINE} OR true) AND o.status",
        f"{STORED}::test_an_order_is_moved_for_its_owner_alone",
    ),
    _m(
        "constraint: no state is entered twice",
        ORDER_SQL,
        "    CONSTRAINT entered_once UNIQUE (order_id, status),\n",
        "",
        f"{STORED}::test_no_state_is_entered_twice",
    ),
    _m(
        "constraint: the moves of the picture",
        ORDER_SQL,
        "        ('confirmed', 'refunding'), ('shipped', 'refunding')",
        "        ('confirmed', 'refunded'), ('confirmed', 'refunding'), ('shipped', 'refunding')",
        f"{STORED}::test_a_move_that_the_picture_does_not_have_is_refused_by_the_database",
    ),
    _m(
        "constraint: the log is appended to",
        ORDER_SQL,
        "REVOKE UPDATE, DELETE, TRUNCATE ON order_event FROM CURRENT_USER;",
        "",
        f"{STORED}::test_the_log_cannot_be_changed",
    ),
    # --- what counts as a decision --------------------------------------------------------------------------------
    _m(
        "decision: unknown is not no",
        CATALOG,
        '    if answer.status not in {409, 422}:\n        _not_ours(f"status {answer.status}")',
        '    if answer.status not in {409, 422}:\n        return Refusal("timed-out")',
        f"{ASKING}::test_anything_else_decides_nothing",
    ),
    _m(
        "decision: only our own refusals",
        CATALOG,
        '    if kind != f"/problems/{code}" or code not in REFUSALS or REFUSALS[code].status != answer.status:',
        "    if not kind:",
        f"{ASKING}::test_anything_else_decides_nothing",
    ),
    _m(
        "decision: only of our media types",
        CATALOG,
        "    if answer.media_type != media_type:",
        "    if not media_type:",
        f"{ASKING}::test_anything_else_decides_nothing",
    ),
    _m(
        "decision: only about this order",
        CATALOG,
        '    if document.get("id") != str(order_id) or state not in {"held", "committed"}:',
        '    if state not in {"held", "committed"}:',
        f"{ASKING}::test_a_reservation_without_effect_is_not_a_yes",
        f"{ASKING}::test_anything_else_decides_nothing",
    ),
    _m(
        "decision: a confirmation is committed",
        CATALOG,
        "        if isinstance(decision, Reservation) and not decision.committed:",
        "        if isinstance(decision, Reservation) and decision is None:",
        f"{ASKING}::test_a_reservation_that_is_still_held_does_not_confirm",
    ),
    _m(
        "decision: no answer is not no",
        "services/order/service/placing.py",
        "            return Placed(await _leave(database, order_id))",
        '            return Placed(await protocol.reject(database, order_id, "timed-out", actor="placement"))',
        f"{SERVED}::test_an_order_without_a_decision_is_pending_and_its_repetition_decides_it",
    ),
    _m(
        "roll back: what is committed stands",
        "services/order/service/protocol.py",
        '    if state == "committed":',
        '    if state == "held":',
        f"{MEETING}::test_a_driver_that_wakes_late_agrees_with_whoever_was_there_before"
        "[after-S3-the reconciler goes back]",
    ),
    _m(
        "price: only at the expected total",
        "services/order/service/protocol.py",
        "    if not decision.committed and order.expected_total_cents not in {None, decision.total_cents}:",
        "    if order.expected_total_cents == -1:",
        f"{SERVED}::test_an_expected_total_that_does_not_hold_gives_the_stock_back",
    ),
    # --- the connection -------------------------------------------------------------------------------------------
    _m(
        "pool: a connection with an answer due is not lent out",
        "services/chassis/wire.py",
        "        return not self.closed and not self._calls and not self._session.in_transaction",
        "        return not self.closed",
        "tests/services/chassis/test_database.py::test_a_cancelled_transaction_closes_its_connection",
    ),
    _m(
        "commit: an answer that was lost is no failure",
        "services/chassis/database.py",
        "        if isinstance(error.__cause__, ConnectionLost):",
        "        if isinstance(error.__cause__, KeyError):",
        "tests/services/chassis/test_database.py::test_a_commit_without_an_answer_is_unknown_and_not_failed",
    ),
)
