"""Amounts as people type them."""

import re

MAX_CENTS = 100_000_000
_PRICE = re.compile(r"([0-9]{1,7})(?:[.,]([0-9]{1,2}))?", re.ASCII)


def read_cents(text: str) -> int:
    """ "19.9", "19,90" and "€ 19.90" are 1990. Raises ValueError with a sentence for people."""
    found = _PRICE.fullmatch(text.strip().removeprefix("€").strip())
    cents = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0")) if found else MAX_CENTS + 1
    if cents > MAX_CENTS:
        raise ValueError("Please give a price like 20 or 19.90.")
    return cents
