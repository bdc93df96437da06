"""What all pages look with: the templates and the files beside them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.chassis.templates import Templates
from services.frontend.assets import Assets
from services.frontend.pages import words

_HERE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Look:
    templates: Templates
    assets: Assets


@cache
def look() -> Look:
    """Read the templates and the static files, once."""
    assets = Assets(_HERE / "static")
    return Look(Templates(_HERE / "templates", filters=words.FILTERS, known={"static_url": assets.url}), assets)
