-- The ledger tells of a movement by a person who asked for it and why: its `ref` is the change's id.
CREATE UNIQUE INDEX stock_change_by_id ON stock_change (id);
