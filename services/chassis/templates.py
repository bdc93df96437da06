"""Jinja2, always escaping: HTML from a folder of templates.

A name that a template uses and nobody gave is an error, not an empty text.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


class Templates:
    """The templates of a folder. `filters` and `known` are names that all of them may use."""

    def __init__(
        self, folder: Path, *, filters: Mapping[str, Callable[..., Any]], known: Mapping[str, Any] | None = None
    ) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            auto_reload=False,
            cache_size=-1,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(filters)
        self._environment.globals.update(known or {})

    @property
    def names(self) -> list[str]:
        return self._environment.list_templates(extensions=["html"])

    def render(self, name: str, context: Mapping[str, Any]) -> bytes:
        """The page in UTF-8. Raises what a template raises: a mistake of ours."""
        return self._environment.get_template(name).render(context).encode("utf-8", "replace")
