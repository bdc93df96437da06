"""What was sold in the last hours, as one document."""

from services.chassis.connection import Connection

BEST = 10  # products that are named


async def select_report(connection: Connection, hours: int) -> bytes | None:
    """Whole hours up to the present one. Reads the orders of that time alone, by the index on it."""
    return await connection.fetch_json(
        """
        WITH span AS (
            SELECT date_trunc('hour', now()) - ($1::bigint - 1) * interval '1 hour' AS first, now() AS last
        ), placed AS MATERIALIZED (
            SELECT id, status, total_cents, created_at FROM ordering.orders, span WHERE created_at >= first
        ), sold AS (
            SELECT * FROM placed WHERE total_cents IS NOT NULL
        ), hourly AS (
            SELECT hour AS at, count(sold.id) AS orders, coalesce(sum(total_cents), 0)::bigint AS revenue_cents
              FROM span
             CROSS JOIN generate_series(first, last, interval '1 hour') AS hour
              LEFT JOIN sold ON sold.created_at >= hour AND sold.created_at < hour + interval '1 hour'
             GROUP BY hour
        ), best AS (
            SELECT product_id, min(sku) AS sku, min(name) AS name, sum(qty)::bigint AS qty,
                   sum(qty * unit_price_cents)::bigint AS revenue_cents
              FROM sold
              JOIN ordering.order_line line ON line.order_id = sold.id
             WHERE sold.status NOT IN ('cancelling', 'cancelled', 'refunding', 'refunded')
             GROUP BY product_id
             ORDER BY qty DESC, product_id
             LIMIT $2::bigint
        )
        SELECT json_build_object(
            'from', (SELECT first FROM span),
            'to', (SELECT last FROM span),
            'hours', (SELECT json_agg(hourly ORDER BY at) FROM hourly),
            'orders', (SELECT count(*) FROM sold),
            'revenue_cents', (SELECT coalesce(sum(total_cents), 0)::bigint FROM sold),
            'cancelled', (SELECT count(*) FROM sold WHERE status IN ('cancelling', 'cancelled')),
            'refunded', (SELECT count(*) FROM sold WHERE status IN ('refunding', 'refunded')),
            'best_sellers', (SELECT coalesce(json_agg(best ORDER BY qty DESC, product_id), '[]') FROM best),
            'by_status', (SELECT coalesce(json_object_agg(status, count), '{}')
                            FROM (SELECT status, count(*) FROM placed GROUP BY status ORDER BY status) AS counted))
        """,
        hours,
        BEST,
    )
