"""A visitor at the door of the pages: keeps cookies, fills in forms, follows redirects. A browser without a window."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from tests.services.frontend.stand_in import Reply

Ask = Callable[..., Awaitable[Reply]]
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What a page holds. Raises AssertionError for tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._field = ""
        self.feed(html)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def form(self, action: str, **holding: str) -> Form:
        """The first form that leads to `action` and holds these values."""
        return next(form for form in self.forms if form.action == action and holding.items() <= form.fields.items())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert len(named) == len(attrs), f"an attribute stands twice in {self.get_starttag_text()}"
        self.tags.append((tag, named))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "form":
            self.forms.append(Form(named["action"] or "", named["method"] or "get"))
        elif tag in {"select", "textarea"} and self.forms:
            self._field = str(named["name"])
            if tag == "textarea":
                self.forms[-1].fields[self._field] = ""
        elif tag == "option" and ("selected" in named or self._field not in self.forms[-1].fields):
            self.forms[-1].fields[self._field] = named.get("value") or ""
        elif tag == "input" and self.forms and "name" in named and named.get("type") != "checkbox":
            self.forms[-1].fields[str(named["name"])] = named.get("value") or ""
        elif tag == "a":
            self.links.append(named["href"] or "")
        if source := named.get("src") or (named.get("href") if tag == "link" else None):
            self.loads.append(source)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "textarea":
            self.forms[-1].fields[self._field] += data.removeprefix("\n")  # the first line break belongs to the tag
        if self._open and self._open[-1] not in {"script", "style"}:
            self.words.append(data)


@dataclass
class Visitor:
    """`cookies` is what the browser holds; `reply` the last answer."""

    ask: Ask
    https: bool = False
    cookies: dict[str, str] = field(default_factory=dict)
    reply: Reply = field(init=False)

    async def get(self, target: str, **headers: str) -> Page:
        """A page, behind any redirects."""
        return await self._land(await self._send("GET", target, headers))

    async def submit(self, form: Form, **changes: str) -> Page:
        """Where a form leads, behind any redirects."""
        return await self._land(await self.post(form.action, form.fields | changes))

    async def post(self, target: str, fields: Mapping[str, str] | str, **headers: str) -> Reply:
        """The answer itself."""
        body = fields if isinstance(fields, str) else urlencode(fields)
        named = {"content-type": "application/x-www-form-urlencoded", **headers}
        return await self._send("POST", target, named, body.encode())

    async def add(self, product_id: int = 1, qty: int = 1) -> Page:
        page = await self.get(f"/item/{product_id}")
        return await self.submit(page.form("/cart", do="add"), qty=str(qty))

    async def _send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        sent: dict[str, str] = {"accept": "text/html,*/*;q=0.8", **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.https:
            sent["x-forwarded-proto"] = "https"
        self.reply = await self.ask(method, target, body=body, headers=sent)
        for name, value, options in set_cookies(self.reply):
            if options["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return self.reply

    async def _land(self, reply: Reply) -> Page:
        hops = 0
        while reply.status == 303:
            hops += 1
            assert hops < 5, "redirects without end"
            reply = await self._send("GET", reply.headers["Location"], {})
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        return Page(reply.body.decode())


def set_cookies(reply: Reply) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, value and attributes of every cookie that an answer sets."""
    found = []
    for header in reply.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined] # the headers of aiohttp
        for name, morsel in SimpleCookie(header).items():
            found.append((name, morsel.value, {key: value for key, value in morsel.items() if value}))
    return found
