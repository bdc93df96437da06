"""A product's limits, its ETag, and who may be told what went wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import Conflict, InvalidRequest

NAME_LENGTH = 200
SKU_LENGTH = 64
DESCRIPTION_LENGTH = 4000
IMAGE_LENGTH = 500
CATEGORY_LENGTH = 60
CATEGORY_NAME_LENGTH = 80
MAX_PRICE_CENTS = 100_000_000
MAX_STOCK = 1_000_000_000
SKU_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
IMAGE_PATTERN = r"^(/[!-~]*|https://[!-~]+)$"

_TAG = re.compile(r'(W/)?"([^"]*)"|(\*)')
IF_MATCH_PATTERN = r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'
_VERSION = re.compile(r"([0-9]{1,18})(?:\.[0-9]{1,18})?", re.ASCII)


class SkuTaken(Conflict):
    code = "sku-taken"
    title = "Another product has this article number"


class UnknownCategory(Conflict):
    code = "unknown-category"
    title = "There is no such category"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything a person may write about a product. Stock is not among it: stock only ever moves."""

    sku: str
    name: str
    description: str
    category: str
    price_cents: int
    active: bool
    image: str | None


Change = Mapping[str, Any]  # some of a draft's fields, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A product as its public JSON, with the entity tag of exactly this representation."""

    etag: str
    active: bool
    body: bytes


def if_match_versions(header: str) -> list[int] | None:
    """The versions that an If-Match names; None when any will do (`*`).

    An ETag is version and stock. Only the version is compared, because an edit does not touch the stock: a product
    that sells well could never be edited otherwise. The version alone is accepted too.
    Raises InvalidRequest for what is no list of entity tags.
    """
    if not re.fullmatch(IF_MATCH_PATTERN, header):
        raise InvalidRequest("If-Match is not a list of entity tags")
    versions = []
    for weak, tag, star in _TAG.findall(header):
        if star:
            return None
        if not weak and (match := _VERSION.fullmatch(tag)):
            versions.append(int(match[1]))
    return versions


def is_not_modified(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this representation (RFC 9110, 13.1.2: weak comparison)."""
    return header is not None and any(star or f'"{tag}"' == etag for _, tag, star in _TAG.findall(header))
