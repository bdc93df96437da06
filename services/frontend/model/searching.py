"""What somebody looks for in the shop, as the form and the address of the results say it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from services.frontend.model.money import read_cents

PAGE = 24
SORTS: Mapping[str, str] = {
    "relevance": "Best match",
    "newest": "Newest first",
    "price": "Price, low to high",
    "-price": "Price, high to low",
    "name": "Name, A to Z",
}
MAX_QUERY = 200
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_FIELDS = ("q", "category", "min", "max", "in_stock", "sort")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`given` is what was typed, to be shown again; `errors` says by field what was wrong with it."""

    q: str = ""
    category: str = ""
    min_cents: int | None = None
    max_cents: int | None = None
    in_stock: bool = False
    sort: str = ""
    cursor: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def filtered(self) -> bool:
        return bool(self.in_stock or self.given.get("min") or self.given.get("max"))

    @property
    def sorting(self) -> str:
        """How the results are sorted when nobody chose."""
        return self.sort or ("relevance" if self.q else "newest")

    @property
    def sorts(self) -> Mapping[str, str]:
        return {key: label for key, label in SORTS.items() if key != "relevance" or self.q}

    def asked(self) -> str:
        """The query for the product service."""
        wanted: dict[str, str | int] = {"limit": PAGE, "sort": self.sorting}
        if self.q:
            wanted["q"] = self.q
        if self.category:
            wanted["category"] = self.category
        if self.min_cents is not None:
            wanted["min_price"] = self.min_cents
        if self.max_cents is not None:
            wanted["max_price"] = self.max_cents
        if self.in_stock:
            wanted["in_stock"] = "true"
        if self.cursor:
            wanted["cursor"] = self.cursor
        return urlencode(wanted)

    def link(self, **changes: str) -> str:
        """The address of these results, or of others; another page only when `cursor` is among the changes."""
        kept = {name: self.given[name] for name in _FIELDS if self.given.get(name)}
        query = urlencode({name: value for name, value in (kept | changes).items() if value})
        return f"/shop?{query}" if query else "/shop"


def read_search(given: Mapping[str, str]) -> Search:
    """From the address. Names that mean nothing here are left aside: links get decorated on their way."""
    fields = {name: " ".join(given.get(name, "").split()) for name in (*_FIELDS, "cursor")}
    errors: dict[str, str] = {}
    low, high = (_cents(fields, name, errors) for name in ("min", "max"))
    if low is not None and high is not None and low > high:
        errors["max"] = "This is less than the lowest price."
    if len(fields["q"]) > MAX_QUERY:
        errors["q"] = f"Please search for something shorter than {MAX_QUERY} characters."
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in fields["q"]):
        errors["q"] = "This holds characters that cannot be searched for."
    if fields["category"] and not _SLUG.fullmatch(fields["category"]):
        errors["category"] = "There is no such category."
    if fields["sort"] == "relevance" and not fields["q"]:
        fields["sort"] = ""
    return Search(
        q=fields["q"],
        category=fields["category"],
        min_cents=low,
        max_cents=high,
        in_stock=fields["in_stock"] == "true",
        sort=fields["sort"] if fields["sort"] in SORTS else "",
        cursor=fields["cursor"][:2000],
        given=fields,
        errors=errors,
    )


def _cents(fields: Mapping[str, str], name: str, errors: dict[str, str]) -> int | None:
    text = fields[name].removeprefix("€").strip()
    if not text:
        return None
    try:
        return read_cents(text)
    except ValueError as error:
        errors[name] = str(error)
        return None
