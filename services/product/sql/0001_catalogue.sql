-- What is for sale.

-- Functions name their schema, so that they also work for who has another search path (a restore, an administrator).
-- Letters without accents and case, for search. unaccent() is only STABLE, because its dictionary could change;
-- ours is the one PostgreSQL ships, named in full, so that columns and indexes may rest on it.
CREATE FUNCTION folded(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT lower(public.unaccent('public.unaccent'::regdictionary, content)) $$;

-- The same with the marks inside part numbers as spaces: the parser would read the end of "kit-0042" as a negative number.
CREATE FUNCTION terms(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT translate(catalog.folded(content), '-_/.', '    ') $$;

CREATE TABLE category (
    slug text PRIMARY KEY CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 60),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80)
);

-- `stock` is what is free to sell: it falls when units are reserved. It has no upper bound here, so that giving
-- units back can never fail; the bound is held where units come in.
-- `version` counts edits, not stock movements.
CREATE TABLE product (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku         text        NOT NULL UNIQUE CHECK (length(sku) BETWEEN 1 AND 64),
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description text        NOT NULL DEFAULT '' CHECK (length(description) <= 4000),
    category    text        NOT NULL REFERENCES category (slug),
    price_cents bigint      NOT NULL CHECK (price_cents BETWEEN 0 AND 100000000),
    stock       bigint      NOT NULL DEFAULT 0 CONSTRAINT product_stock_check CHECK (stock >= 0),
    active      boolean     NOT NULL DEFAULT true,
    image       text        CHECK (length(image) <= 500),
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    label       text        NOT NULL GENERATED ALWAYS AS (folded(name || ' ' || sku)) STORED,
    words       tsvector    NOT NULL GENERATED ALWAYS AS (
                    setweight(to_tsvector('english', terms(name)), 'A')
                    || setweight(to_tsvector('simple', terms(name)), 'B')
                    || setweight(to_tsvector('english', terms(sku || ' ' || category)), 'B')
                    || setweight(to_tsvector('english', terms(description)), 'C')) STORED
) WITH (fillfactor = 85);

-- No index holds `stock`: a reservation then rewrites the row in place (a heap-only update) and touches no index.
CREATE INDEX product_words ON product USING gin (words);
CREATE INDEX product_likeness ON product USING gin (label public.gin_trgm_ops);

-- One index for each order a page can be read in, over all products and within a category: a page deep in a
-- million rows starts at its cursor. Newest first reads the primary key.
CREATE INDEX product_by_label ON product (label COLLATE "C", id);
CREATE INDEX product_by_price ON product (price_cents, id);
CREATE INDEX product_by_category ON product (category, id);
CREATE INDEX product_by_category_label ON product (category, label COLLATE "C", id);
CREATE INDEX product_by_category_price ON product (category, price_cents, id);

-- The products whose name or number looks like `content`, for words with typing errors, at most `most` of them.
-- A function because the threshold of <% is a setting: the default of 0.6 knows "headphnes" and not "wirless".
-- Naming a setting of an extension takes its library in memory, hence the call before.
DO $$ BEGIN PERFORM public.word_similarity('', ''); END $$;
CREATE FUNCTION lookalikes(content text, most int) RETURNS SETOF bigint
    LANGUAGE sql STABLE STRICT ROWS 50
    SET pg_trgm.word_similarity_threshold = 0.35
    AS $$
        WITH alike AS MATERIALIZED (
            SELECT id, public.word_similarity(catalog.folded(content), label) AS likeness
              FROM catalog.product
             WHERE catalog.folded(content) OPERATOR(public.<%) label
        )
        SELECT id FROM alike LIMIT most
    $$;
