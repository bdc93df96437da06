"""What must be true of stock and orders at every moment, each as a query for the rows that break it.

They hold in one snapshot of both schemas, whatever is under way: effects come in an order (a reservation is committed
before its order is confirmed, and released before it is rejected), so work in progress is never a broken row.
"""

from dataclasses import dataclass

from services.chassis.connection import Connection
from services.chassis.database import Database


@dataclass(frozen=True, slots=True)
class Invariant:
    """`sql` returns one text for each broken row: which one, and how."""

    name: str
    rule: str
    sql: str


@dataclass(frozen=True, slots=True)
class Breach:
    invariant: str
    rule: str
    row: str


INVARIANTS = (
    Invariant(
        "I1",
        "no product has less than nothing in stock",
        "SELECT format('product %s has stock %s', id, stock) FROM catalog.product WHERE stock < 0",
    ),
    Invariant(
        "I2",
        "the stock of a product is the sum of its ledger",
        """
        SELECT format('product %s has stock %s and a ledger of %s', p.id, p.stock, coalesce(sum(m.delta), 0))
          FROM catalog.product p
          LEFT JOIN catalog.stock_movement m ON m.product_id = p.id
         GROUP BY p.id
        HAVING p.stock <> coalesce(sum(m.delta), 0)
        """,
    ),
    Invariant(
        "I3",
        "what came in is in stock or in a reservation that is held or committed",
        """
        SELECT format('product %s: %s came in, %s in stock, %s reserved', id, came_in, stock, reserved)
          FROM (SELECT p.id, p.stock,
                       (SELECT coalesce(sum(delta), 0) FROM catalog.stock_movement
                         WHERE product_id = p.id AND reason IN ('initial', 'change')) AS came_in,
                       (SELECT coalesce(sum(l.qty), 0) FROM catalog.reservation_line l
                          JOIN catalog.reservation r ON r.id = l.reservation_id
                         WHERE l.product_id = p.id AND r.state IN ('held', 'committed')) AS reserved
                  FROM catalog.product p) AS account
         WHERE came_in <> stock + reserved
        """,
    ),
    Invariant(
        "I4",
        "what came in is in stock or in an order that stands, once nothing is under way",
        """
        WITH busy AS (
            SELECT l.product_id FROM ordering.order_line l JOIN ordering.orders o ON o.id = l.order_id
             WHERE o.status IN ('pending', 'cancelling', 'refunding')
             UNION
            SELECT l.product_id FROM catalog.reservation_line l JOIN catalog.reservation r ON r.id = l.reservation_id
             WHERE r.state = 'held'
        )
        SELECT format('product %s: %s came in, %s in stock, %s sold', id, came_in, stock, sold)
          FROM (SELECT p.id, p.stock,
                       (SELECT coalesce(sum(delta), 0) FROM catalog.stock_movement
                         WHERE product_id = p.id AND reason IN ('initial', 'change')) AS came_in,
                       (SELECT coalesce(sum(l.qty), 0) FROM ordering.order_line l
                          JOIN ordering.orders o ON o.id = l.order_id
                         WHERE l.product_id = p.id AND o.status IN ('confirmed', 'shipped')) AS sold
                  FROM catalog.product p
                 WHERE p.id NOT IN (SELECT product_id FROM busy)) AS account
         WHERE came_in <> stock + sold
        """,
    ),
    Invariant(
        "I5",
        "an order stands exactly when its reservation is committed, with the same lines",
        """
        WITH wanted (status, states) AS (VALUES
            ('confirmed', '{committed}'::text[]), ('shipped', '{committed}'),
            ('cancelling', '{committed,returned}'), ('refunding', '{committed,returned}'),
            ('cancelled', '{returned}'), ('refunded', '{returned}'), ('rejected', '{released}')
        ), lines AS (
            SELECT 'order' AS side, order_id AS id, array_agg((product_id, qty)::text ORDER BY product_id) AS lines
              FROM ordering.order_line GROUP BY order_id
             UNION ALL
            SELECT 'reservation', reservation_id, array_agg((product_id, qty)::text ORDER BY product_id)
              FROM catalog.reservation_line GROUP BY reservation_id
        )
        SELECT format('order %s is %s and its reservation %s', o.id, o.status, coalesce(r.state, 'missing'))
          FROM ordering.orders o
          JOIN wanted w ON w.status = o.status
          LEFT JOIN catalog.reservation r ON r.id = o.id
         WHERE NOT coalesce(r.state, 'missing') = ANY(w.states)
         UNION ALL
        SELECT format('reservation %s is %s and has no order', r.id, r.state)
          FROM catalog.reservation r
          LEFT JOIN ordering.orders o ON o.id = r.id
         WHERE o.id IS NULL AND r.state IN ('committed', 'returned')
         UNION ALL
        SELECT format('order %s and its reservation have different lines', r.id)
          FROM catalog.reservation r
          JOIN lines theirs ON theirs.id = r.id AND theirs.side = 'reservation'
          JOIN lines ours ON ours.id = r.id AND ours.side = 'order'
         WHERE theirs.lines <> ours.lines
        """,
    ),
    Invariant(
        "I6",
        "the total of an order is the sum of its lines at the prices of its reservation",
        """
        SELECT format('order %s has a total of %s and lines of %s', o.id, o.total_cents,
                      sum(l.qty * l.unit_price_cents))
          FROM ordering.orders o
          JOIN ordering.order_line l ON l.order_id = o.id
         WHERE o.total_cents IS NOT NULL
         GROUP BY o.id
        HAVING o.total_cents IS DISTINCT FROM sum(l.qty * l.unit_price_cents)
         UNION ALL
        SELECT format('order %s, product %s: %s, reserved at %s', l.order_id, l.product_id, l.unit_price_cents,
                      r.unit_price_cents)
          FROM ordering.order_line l
          JOIN catalog.reservation_line r ON r.reservation_id = l.order_id AND r.product_id = l.product_id
         WHERE l.unit_price_cents IS NOT NULL AND l.unit_price_cents <> r.unit_price_cents
        """,
    ),
    Invariant(
        "I7",
        "a customer has at most one order under a key",
        """
        SELECT format('customer %s has %s orders under one key: %s', customer_id, count(*), string_agg(id::text, ', '))
          FROM ordering.orders
         GROUP BY customer_id, idem_key
        HAVING count(*) > 1
        """,
    ),
    Invariant(
        "I8",
        "the log of an order ends with its status",
        """
        SELECT format('order %s is %s and its log ends with %s', o.id, o.status, coalesce(e.status, 'nothing'))
          FROM ordering.orders o
          LEFT JOIN LATERAL (SELECT status FROM ordering.order_event
                              WHERE order_id = o.id ORDER BY id DESC LIMIT 1) e ON true
         WHERE e.status IS DISTINCT FROM o.status
        """,
    ),
    Invariant(
        "I9",
        "nothing stays undecided: no order is pending for 90 s, nothing is held 10 s past its time",
        """
        SELECT format('order %s has been pending since %s', id, created_at)
          FROM ordering.orders WHERE status = 'pending' AND created_at < now() - interval '90 s'
         UNION ALL
        SELECT format('reservation %s should have been released at %s', id, expires_at)
          FROM catalog.reservation WHERE state = 'held' AND expires_at < now() - interval '10 s'
        """,
    ),
)


async def breaches(database: Database) -> list[Breach]:
    """Every broken row, in one snapshot. `database` is an administrator's: no service may read both schemas."""
    async with database.transaction() as connection:
        await connection.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET statement_timeout = 0")
        return [breach for invariant in INVARIANTS for breach in await _broken(connection, invariant)]


async def _broken(connection: Connection, invariant: Invariant) -> list[Breach]:
    rows = await connection.fetch(invariant.sql)
    return [Breach(invariant.name, invariant.rule, row) for (row,) in rows]
