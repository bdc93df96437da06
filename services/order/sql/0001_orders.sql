-- An order, its lines and its log. The reservation of the same id in the product service decides; these rows follow.

CREATE TABLE orders (
    id                   uuid PRIMARY KEY,
    customer_id          uuid NOT NULL,
    idem_key             text NOT NULL CHECK (idem_key ~ '^[!-~]{1,255}$'),
    fingerprint          bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    status               text NOT NULL CHECK (status IN ('pending', 'rejected', 'confirmed', 'shipped',
                                                         'cancelling', 'cancelled', 'refunding', 'refunded')),
    pending_slot         smallint NOT NULL CHECK (pending_slot BETWEEN 1 AND 3),
    expected_total_cents bigint CHECK (expected_total_cents >= 0),
    total_cents          bigint CHECK (total_cents >= 0),
    reject_code          text,
    tracking             text,
    lease_until          timestamptz NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now(),
    decided_at           timestamptz,
    CONSTRAINT one_order_per_key UNIQUE (customer_id, idem_key),
    CONSTRAINT decided_unless_pending CHECK ((status = 'pending') = (decided_at IS NULL)),
    CONSTRAINT priced_if_confirmed CHECK ((status IN ('pending', 'rejected')) = (total_cents IS NULL)),
    CONSTRAINT code_if_rejected CHECK ((status = 'rejected') = (reject_code IS NOT NULL))
);

-- Three slots are the three undecided orders that a customer may have: a count in a query could be overtaken.
CREATE UNIQUE INDEX orders_pending_slot ON orders (customer_id, pending_slot) WHERE status = 'pending';
CREATE INDEX orders_unfinished ON orders (lease_until) WHERE status IN ('pending', 'cancelling', 'refunding');
CREATE INDEX orders_of_customer ON orders (customer_id, created_at, id);
CREATE INDEX orders_by_time ON orders (created_at, id);
CREATE INDEX orders_by_status ON orders (status, created_at, id);

CREATE TABLE order_line (
    order_id         uuid NOT NULL REFERENCES orders,
    product_id       bigint NOT NULL CHECK (product_id > 0),
    qty              int NOT NULL CHECK (qty BETWEEN 1 AND 1000),
    unit_price_cents bigint CHECK (unit_price_cents >= 0),
    sku              text,
    name             text,
    PRIMARY KEY (order_id, product_id)
);

-- The moves allowed are a constraint here and a picture in model.py. No state is entered twice.
CREATE TABLE order_event (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders,
    was      text,
    status   text NOT NULL,
    actor    text NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT entered_once UNIQUE (order_id, status),
    CONSTRAINT allowed_move CHECK (CASE WHEN was IS NULL THEN status = 'pending' ELSE (was, status) IN (
        ('pending', 'rejected'), ('pending', 'confirmed'),
        ('confirmed', 'shipped'), ('confirmed', 'cancelling'), ('cancelling', 'cancelled'),
        ('confirmed', 'refunding'), ('shipped', 'refunding'), ('refunding', 'refunded')) END)
);

-- A log is appended to. The owner gives up the rest, so that a slip in a statement is an error.
REVOKE UPDATE, DELETE, TRUNCATE ON order_event FROM CURRENT_USER;
