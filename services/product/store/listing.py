"""The statement behind a page of products.

Its text is put together from the fixed fragments below, by which filters are present; values only ever travel as
parameters. Every order has an index that starts with its key, so a page costs the same wherever it begins.
"""

from services.chassis.connection import Connection, Parameter
from services.product.model.listing import MAX_LIMIT, Position, Query
from services.product.store.catalogue import PRODUCT

CANDIDATES = 500  # matches of each kind that are ranked for one search
LOOKALIKES = 200  # products that are compared letter by letter for one search
RECENT = 10_000  # the newest products, which a search for a mark or a syllable looks through

# sort -> (key, its type, direction); the id follows in the same direction, so one index serves both ways.
_ORDERS = {
    "relevance": ("p.relevance", "bigint", "DESC"),
    "name": ('p.label COLLATE "C"', "text", "ASC"),
    "price": ("p.price_cents", "bigint", "ASC"),
    "-price": ("p.price_cents", "bigint", "DESC"),
    "newest": ("p.id", "bigint", "DESC"),
}


class _Parameters:
    """Numbers the values as they are named in the text."""

    def __init__(self) -> None:
        self.values: list[Parameter] = []

    def add(self, value: Parameter, kind: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{kind}"


async def select_page(
    connection: Connection, query: Query, after: Position | None, limit: int
) -> tuple[bytes, Position | None]:
    """The JSON of up to `limit` products, and where the next page starts, if there is one.

    A search ranks at most 500 of the products that begin with it, 500 that match its words and 500 that contain it
    literally, so its work is bounded; where more match, the first that the index delivers are ranked. When there are
    none at all it takes its words for misspelt and looks at 200 products that are spelt alike. A search without three
    letters or digits in a row looks for itself in the newest 10,000 products.
    """
    parameters = _Parameters()
    key, kind, direction = _ORDERS[query.sort]
    search, source, columns, joined = "", "product", "p.*", ""
    if query.q:
        # Candidates have passed the filters and carry every sort key: only what the page shows is read again.
        search, source, columns, joined = _search(query, parameters), "candidate", "p.id", "JOIN product p USING (id)"
    conditions = _conditions(query, parameters) if not query.q else ["true"]
    if after:
        comparison = "<" if direction == "DESC" else ">"
        conditions.append(
            f"({key}, p.id) {comparison} ({parameters.add(after.key, kind)}, {parameters.add(after.id, 'bigint')})"
        )
    size = parameters.add(limit, "int")
    # The inner LIMIT is a constant so that one plan, made once, fits every page size; the outer one stops it early.
    sql = f"""
        WITH {search} page AS (
            SELECT *
              FROM (SELECT {columns}, {key} AS key
                      FROM {source} p
                     WHERE {" AND ".join(conditions)}
                     ORDER BY {key} {direction}, p.id {direction}
                     LIMIT {MAX_LIMIT + 1}) AS bounded
             LIMIT {size} + 1
        )
        SELECT coalesce(json_agg({PRODUCT} ORDER BY place) FILTER (WHERE place <= {size}), '[]')::text,
               count(*) > {size},
               min(key) FILTER (WHERE place = {size}),
               min(id) FILTER (WHERE place = {size})
          FROM (SELECT page.*, row_number() OVER (ORDER BY key {direction}, id {direction}) AS place
                  FROM page) AS {"placed" if query.q else "p"} {joined}
        """  # noqa: S608 - fragments of this module only
    row = await connection.fetch_row(sql, *parameters.values)
    assert row is not None  # noqa: S101 - an aggregate always has a row
    items, more, last_key, last_id = row
    return items.encode(), Position(last_key, last_id) if more else None


def _conditions(query: Query, parameters: _Parameters) -> list[str]:
    conditions = ["NOT p.active" if query.archived else "p.active"]
    if query.category is not None:
        conditions.append(f"p.category = {parameters.add(query.category, 'text')}")
    if query.min_price is not None:
        conditions.append(f"p.price_cents >= {parameters.add(query.min_price, 'bigint')}")
    if query.max_price is not None:
        conditions.append(f"p.price_cents <= {parameters.add(query.max_price, 'bigint')}")
    if query.in_stock:
        conditions.append("p.stock > 0")
    return conditions


def _search(query: Query, parameters: _Parameters) -> str:
    """The candidates with their relevance.

    MATERIALIZED keeps the LIMIT out of the inner plans: they are chosen for all matches, which means an index, and
    stop early all the same. Filters are part of them, so that the limit counts only what can be shown.
    """
    asked = parameters.add(query.q, "text")
    terms = " || ".join(_tsquery(language, asked) for language in ("english", "simple"))
    filters = " AND ".join(_conditions(query, parameters))
    literal = f"p.label LIKE '%' || regexp_replace(folded({asked}), '([\\\\%_])', '\\\\\\1', 'g') || '%'"
    begins = f'p.label COLLATE "C" >= folded({asked}) AND p.label COLLATE "C" < folded({asked}) || chr(1114111)'
    source = "product p" if query.words else f"(SELECT * FROM product ORDER BY id DESC LIMIT {RECENT}) p"  # noqa: S608
    wanted = "p.id, p.sku, p.label, p.price_cents, p.words"
    alike = f"""
            UNION ALL
            (SELECT {wanted} FROM lookalikes({asked}, {LOOKALIKES}) AS l (id) JOIN product p USING (id)
              WHERE {filters} AND NOT EXISTS (SELECT FROM by_words) AND NOT EXISTS (SELECT FROM by_letters))"""  # noqa: S608
    return f"""
        by_words AS MATERIALIZED (
            SELECT {wanted} FROM product p WHERE p.words @@ ({terms}) AND {filters}
        ), by_letters AS MATERIALIZED (
            SELECT {wanted} FROM {source} WHERE {literal} AND {filters}
        ), found AS MATERIALIZED (
            (SELECT {wanted} FROM product p WHERE {begins} AND {filters}
              ORDER BY p.label COLLATE "C" LIMIT {CANDIDATES})
            UNION ALL
            (SELECT * FROM by_words LIMIT {CANDIDATES})
            UNION ALL
            (SELECT * FROM by_letters LIMIT {CANDIDATES}){alike if query.words else ""}
        ), candidate AS MATERIALIZED (
            SELECT DISTINCT ON (id)
                   id, label, price_cents,
                   (CASE WHEN lower(sku) = lower({asked}) THEN 4000000 ELSE 0 END
                    + CASE WHEN starts_with(label, folded({asked})) THEN 2000000 ELSE 0 END
                    + 1000000 * ts_rank(words, {terms})
                    + 1000000 * word_similarity(folded({asked}), label))::bigint AS relevance
              FROM found
             ORDER BY id
        ),"""  # noqa: S608 - fragments of this module only


def _tsquery(language: str, asked: str) -> str:
    """All words of the text, those of two letters and more as beginnings. plainto_tsquery never fails on a text."""
    plain = f"plainto_tsquery('{language}', terms({asked}))::text"
    return f"regexp_replace({plain}, '([^'' ]{{2}}'')', '\\1:*', 'g')::tsquery"
