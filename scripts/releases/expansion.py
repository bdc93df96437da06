"""Migrations may only add: while a version is rolled out, and after a rollback, the code before runs on the new schema.

What takes something away, or asks more of a row than before, is a contraction. It gets a file of its own whose name
says so, `NNNN_contract_….sql`, and ships in a release after the last one whose code needed what goes. This reads text,
no database: a statement that it cannot judge is a contraction.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from services.chassis.migrations import Migration

# What hides the ends of statements: comments, strings, and bodies between dollar quotes.
HIDDEN = re.compile(r"--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", re.DOTALL)
BLOCK = re.compile(r"\bDO\s+\$(\w*)\$(.*?)\$\1\$", re.DOTALL | re.IGNORECASE)
TAKING = re.compile(r"\b(ALTER|DELETE|DROP|RENAME|REVOKE|TRUNCATE)\b", re.IGNORECASE)
CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?([\w.\"]+)")
ALTERED = re.compile(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?([\w.\"]+) (.*)")
UNIQUE = re.compile(r"CREATE UNIQUE INDEX .*? ON (?:ONLY )?([\w.\"]+)")
HARMLESS = re.compile(
    r"(CREATE (TABLE|INDEX|VIEW|TYPE|SEQUENCE|SCHEMA|EXTENSION|FUNCTION)|COMMENT|INSERT|UPDATE|SELECT|DO|GRANT|SET"
    r"|ALTER TYPE \S+ ADD VALUE|ALTER INDEX \S+ SET|ANALYZE)\b"
)
WIDENING = re.compile(
    r"DROP CONSTRAINT|VALIDATE CONSTRAINT|SET \("
    r"|ALTER (COLUMN )?\S+ (DROP NOT NULL|SET DEFAULT|SET STATISTICS|SET STORAGE)"
)
ADDED = re.compile(
    r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?(?!CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)[\w\"]+ (.*)"
)
DEMANDING = re.compile(r"\b(UNIQUE|PRIMARY KEY|CHECK|REFERENCES)\b")

# Applied before there was the rule; a file that has been applied keeps its name.
BEFORE = {"0003_ledger.sql": "stock_change.id is a random UUID: the code before could not have violated the index"}


def breaking(folder: Path) -> Iterator[str]:
    """A sentence for each statement that the code before might not survive."""
    for path in sorted(folder.glob("[0-9]*.sql")):
        if Migration(path.name, "").contracts or path.name in BEFORE:
            continue
        for statement in contractions(path.read_text()):
            yield (
                f"{path.parent.parent.name}/sql/{path.name} breaks the code that runs meanwhile: {statement}. Only add;"
                " take away in a later release, in a file NNNN_contract_….sql."
            )


def contractions(sql: str) -> Iterator[str]:
    """The statements that do more than add. What is done to a table that the file makes itself harms nobody."""
    yield from _blocks(sql)
    own: set[str] = set()
    for statement in _statements(sql):
        if made := CREATED.match(statement):
            own.add(made[1])
        if not _expands(statement, own):
            yield statement[:80]


def _blocks(sql: str) -> Iterator[str]:
    """Anonymous code that takes away; that of a function runs later, when somebody calls it."""
    yield from (" ".join(block[0].split())[:80] for block in BLOCK.finditer(sql) if TAKING.search(block[2]))


def _statements(sql: str) -> Iterator[str]:
    plain = HIDDEN.sub(" ", sql)
    for part in plain.split(";"):
        if text := " ".join(part.split()):
            yield _loud(text)


def _loud(text: str) -> str:
    """Keywords in capitals, as the patterns have them; names do not matter to them."""
    return " ".join(word if word.startswith('"') else word.upper() for word in text.split(" "))


def _expands(statement: str, own: set[str]) -> bool:
    if altered := ALTERED.match(statement):
        return altered[1] in own or all(_widens(action) for action in _actions(altered[2]))
    if unique := UNIQUE.match(statement):
        return unique[1] in own
    if statement.startswith("REVOKE"):
        return statement.split(" ON ", 1)[-1].split(maxsplit=1)[0].removeprefix("TABLE ") in own
    return HARMLESS.match(statement) is not None


def _actions(text: str) -> Iterator[str]:
    """`ADD a int, DROP b` in two; a comma inside brackets parts nothing."""
    depth, start = 0, 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()


def _widens(action: str) -> bool:
    if added := ADDED.match(action):
        rest = added[1]
        demands = DEMANDING.search(rest) is not None
        return not demands and ("NOT NULL" not in rest or re.search(r"\bDEFAULT\b|\bGENERATED\b", rest) is not None)
    return WIDENING.match(action) is not None
