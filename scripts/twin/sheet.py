"""What the pages of the twin have in common: the frame, the colours, and the headers that keep them to themselves."""

import base64
import functools
import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path


@functools.cache
def read(file: Path) -> str:
    return file.read_text()


def styles(own: Path) -> str:
    """The common sheet, and the page's own after it."""
    return read(Path(__file__).with_name("sheet.css")) + read(own)


def framed(title: str, main: str, own: Path, script: str = "") -> str:
    """A whole document. `title` is text, `main` is HTML."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{styles(own)}</style></head>\n<body><main>{main}</main>"
        f"{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )


def heads(names: Iterable[str]) -> str:
    """The first row of a table."""
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def headers(**policy: str) -> dict[str, str]:
    """Nothing is allowed but what `policy` names, such as `style_src=digest(…)`."""
    allowed = {"default_src": "'none'", "base_uri": "'none'", "form_action": "'none'", "frame_ancestors": "'none'"}
    directives = (f"{name.replace('_', '-')} {value}" for name, value in (allowed | policy).items())
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(directives),
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def digest(content: str) -> str:
    """As a source of a policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
