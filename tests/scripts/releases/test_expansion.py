"""Migrations only add: what the code of before would not survive is found in the text of a file."""

from pathlib import Path

import pytest

from scripts.places import ROOT
from scripts.releases.expansion import BEFORE, breaking, contractions

BREAKING = (
    "DROP TABLE product",
    "ALTER TABLE product DROP COLUMN image",
    "ALTER TABLE product DROP image, ADD picture text",
    "ALTER TABLE product ADD picture text, DROP image",
    "ALTER TABLE product RENAME COLUMN image TO picture",
    "ALTER TABLE product RENAME TO item",
    "alter table product alter column image set not null",
    "ALTER TABLE product ALTER price_cents TYPE numeric(12, 2)",
    "ALTER TABLE product ALTER stock DROP DEFAULT",
    "ALTER TABLE product ADD weight int NOT NULL",
    "ALTER TABLE product ADD code text UNIQUE",
    "ALTER TABLE product ADD maker bigint REFERENCES supplier",
    "ALTER TABLE product ADD CONSTRAINT heavy CHECK (weight > 0)",
    "ALTER TABLE product ADD CHECK (weight > 0) NOT VALID",
    "CREATE UNIQUE INDEX product_by_sku ON product (sku)",
    "REVOKE UPDATE ON product FROM CURRENT_USER",
    "TRUNCATE product",
    "DELETE FROM product",
    "DROP INDEX product_words",
    "CREATE OR REPLACE FUNCTION folded(content text) RETURNS text LANGUAGE sql AS $$ SELECT content $$",
    "DO $$ BEGIN EXECUTE 'ALTER TABLE product DROP image'; END $$",
    "/* harmless */ DROP TABLE product -- really",
    "SELECT ';'; DROP TABLE product",
    "LOCK TABLE product",
)
ADDING = (
    "CREATE TABLE supplier (id bigint PRIMARY KEY); CREATE UNIQUE INDEX one ON supplier (id)",
    "CREATE TABLE box (id int); ALTER TABLE box ADD CHECK (id > 0); REVOKE UPDATE ON box FROM CURRENT_USER",
    "ALTER TABLE product ADD weight int, ADD COLUMN IF NOT EXISTS origin text NOT NULL DEFAULT 'a, b'",
    "ALTER TABLE product ALTER image DROP NOT NULL, ALTER COLUMN stock SET DEFAULT 1",
    "ALTER TABLE stock_movement DROP CONSTRAINT stock_movement_reason_check",
    "CREATE INDEX product_by_weight ON product (weight) WHERE weight > 0",
    "-- DROP TABLE product;\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; DROP TABLE x $$",
    "INSERT INTO category VALUES ('a', 'DROP TABLE product; it''s a name')",
    "DO $$ BEGIN PERFORM public.word_similarity('', ''); END $$",
)


@pytest.mark.parametrize("sql", BREAKING)
def test_what_takes_away_or_asks_more_is_found(sql: str) -> None:
    assert list(contractions(sql)), sql


@pytest.mark.parametrize("sql", ADDING)
def test_what_adds_is_let_through(sql: str) -> None:
    assert list(contractions(sql)) == []


@pytest.mark.parametrize("folder", sorted(ROOT.glob("services/*/sql")), ids=lambda folder: folder.parent.name)
def test_every_migration_of_the_repository_keeps_the_rule(folder: Path) -> None:
    assert list(breaking(folder)) == []


def test_an_exception_stands_for_a_file_that_is_there_and_breaks_the_rule() -> None:
    for name in BEFORE:
        (path,) = ROOT.glob(f"services/*/sql/{name}")
        assert list(contractions(path.read_text()))


def test_a_file_whose_name_says_so_may_take_away_and_another_is_named_with_its_statement(tmp_path: Path) -> None:
    folder = tmp_path / "product" / "sql"
    folder.mkdir(parents=True)
    (folder / "0004_contract_image.sql").write_text("ALTER TABLE product DROP image")
    assert list(breaking(folder)) == []
    (folder / "0005_image.sql").write_text("ALTER TABLE product DROP image")
    (sentence,) = breaking(folder)
    assert sentence.startswith(
        "product/sql/0005_image.sql breaks the code that runs meanwhile: ALTER TABLE PRODUCT DROP"
    )
