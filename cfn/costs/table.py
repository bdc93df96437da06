"""The price table, read from the file beside this one."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("prices.toml")
BASES = ("confirmed", "published", "assumed")


class Unpriced(LookupError):
    """Something the table or the rules do not know; the message is one sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Price:
    usd: float
    unit: str
    page: str
    basis: str
    free: float = 0  # units a month that every account gets


@dataclass(frozen=True, slots=True)
class Table:
    date: str
    region: str
    hours: int
    prices: Mapping[str, Price]

    def __getitem__(self, key: str) -> Price:
        if key not in self.prices:
            raise Unpriced(f"The table has no price for {key}; add it to cfn/costs/{FILE.name} with unit and page.")
        return self.prices[key]


@cache
def table() -> Table:
    written = tomllib.loads(FILE.read_text())
    pages = written["pages"]
    prices = {key: Price(**{**entry, "page": pages[entry["page"]]}) for key, entry in written["prices"].items()}
    return Table(written["date"], written["region"], written["hours"], prices)
