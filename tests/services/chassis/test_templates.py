"""Templates: everything is escaped, and what nobody gave is an error."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from services.chassis.templates import Templates


def templates(folder: Path, **pages: str) -> Templates:
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    return Templates(folder, filters={"twice": lambda text: text * 2}, known={"site": "<here>"})


def test_what_is_given_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    made = templates(tmp_path, page="<p title=\"{{ a }}\">{{ a }}{{ site }}{{ 'b'|twice }}</p>")
    assert made.render("page.html", {"a": "\"<b>'&"}) == (
        b'<p title="&#34;&lt;b&gt;&#39;&amp;">&#34;&lt;b&gt;&#39;&amp;&lt;here&gt;bb</p>'
    )


def test_a_name_that_nobody_gave_is_an_error(tmp_path: Path) -> None:
    made = templates(tmp_path, page="{{ a }}", member="{{ a.b }}")
    with pytest.raises(UndefinedError):
        made.render("page.html", {})
    with pytest.raises(UndefinedError):
        made.render("member.html", {"a": {}})


def test_half_of_a_surrogate_pair_does_not_break_a_page(tmp_path: Path) -> None:
    assert templates(tmp_path, page="{{ a }}").render("page.html", {"a": "x\ud800y"}) == b"x?y"
