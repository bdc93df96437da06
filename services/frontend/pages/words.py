"""How amounts, moments and states are written for people: the filters of the templates."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from services.frontend.service import availability

CURRENCY = "€"

_STATUS = {
    "pending": "Being confirmed",
    "rejected": "Not placed",
    "confirmed": "Confirmed",
    "shipped": "On its way",
    "cancelling": "Being cancelled",
    "cancelled": "Cancelled",
    "refunding": "Being refunded",
    "refunded": "Refunded",
}
_TONE = {
    "pending": "wait",
    "cancelling": "wait",
    "refunding": "wait",
    "confirmed": "good",
    "shipped": "good",
    "rejected": "bad",
}
_REASONS = {
    "insufficient-stock": "Somebody was faster: there was not enough in stock any more.",
    "unknown-product": "Something in this order is no longer sold.",
    "price-changed": "A price changed before the order was confirmed.",
    "reservation-expired": "The order took too long to confirm, so nothing was kept back for you.",
    "timed-out": "The order could not be confirmed in time, so nothing was kept back for you.",
}


def money(cents: int) -> str:
    """1690 is €16.90."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'−' if cents < 0 else ''}{CURRENCY}{whole:,}.{rest:02}"


def compact(number: float) -> str:
    """1500 is 1.5k, for where there is little room."""
    for size, letter in ((10**9, "bn"), (10**6, "m"), (10**3, "k")):
        if number >= size:
            return f"{round(number / size, 1):g}{letter}"
    return f"{round(number, 2):g}"


def compact_money(cents: int) -> str:
    """250000 is €2.5k."""
    return CURRENCY + compact(cents / 100)


def amount(cents: int | None) -> str:
    """As it is typed into a field; empty for None."""
    return "" if cents is None else f"{cents // 100}.{cents % 100:02}".removesuffix(".00")


def moment(text: str) -> str:
    """An ISO timestamp as "2 January 2026, 03:04 UTC"; what is none stays as it is."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def hour(text: str) -> str:
    """An ISO timestamp as "Fri 14:00", in UTC; what is none stays as it is."""
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%a %H:%M}"
    except ValueError:
        return text


def count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def status(name: str) -> str:
    return _STATUS.get(name, name)


def tone(name: str) -> str:
    return _TONE.get(name, "calm")


def reason(code: str | None) -> str:
    return _REASONS.get(code or "", "It could not be placed.")


def short_id(identifier: str) -> str:
    """The part of an order's id that people can read to each other."""
    return re.sub(r"[^0-9A-Za-z]", "", identifier)[:8].upper()


FILTERS: Mapping[str, Callable[..., Any]] = {
    "money": money,
    "amount": amount,
    "moment": moment,
    "count_of": count,
    "status": status,
    "tone": tone,
    "reason": reason,
    "short_id": short_id,
    "availability": availability,
}
