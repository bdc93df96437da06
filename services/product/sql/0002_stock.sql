-- Where units went. The state of a reservation is the decision about an order; the ledger explains every unit.

CREATE TABLE stock_movement (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id bigint      NOT NULL REFERENCES product (id),
    delta      bigint      NOT NULL CHECK (delta <> 0),
    reason     text        NOT NULL CHECK (reason IN ('initial', 'change', 'reserve', 'release', 'return')),
    ref        uuid        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stock_movement_once UNIQUE (ref, product_id, reason)
);
CREATE INDEX stock_movement_by_product ON stock_movement (product_id, id);

-- A stock change asked for by a person, under a key of their choice; `stock` is the answer it got, or null when refused.
CREATE TABLE stock_change (
    product_id bigint      NOT NULL REFERENCES product (id),
    key        text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    id         uuid        NOT NULL DEFAULT gen_random_uuid(),
    delta      bigint      NOT NULL,
    reason     text        NOT NULL,
    author     text        NOT NULL,
    stock      bigint,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (product_id, key)
);

-- A released reservation without a fingerprint or lines is a tombstone: its id was released before, or instead of, being reserved.
CREATE TABLE reservation (
    id          uuid PRIMARY KEY,
    fingerprint bytea,
    state       text        NOT NULL CHECK (state IN ('held', 'committed', 'released', 'returned')),
    reason      text,
    product_ids bigint[],
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    decided_at  timestamptz,
    CONSTRAINT reservation_reason_check CHECK (reason IS NOT NULL OR state IN ('held', 'committed')),
    CONSTRAINT reservation_expiry_check CHECK (expires_at IS NOT NULL OR state = 'released')
);
CREATE INDEX reservation_due ON reservation (expires_at) WHERE state = 'held';

CREATE TABLE reservation_line (
    reservation_id   uuid   NOT NULL REFERENCES reservation (id),
    product_id       bigint NOT NULL REFERENCES product (id),
    qty              int    NOT NULL CHECK (qty BETWEEN 1 AND 1000),
    unit_price_cents bigint NOT NULL CHECK (unit_price_cents >= 0),
    name             text   NOT NULL,
    sku              text   NOT NULL,
    PRIMARY KEY (reservation_id, product_id)
);
