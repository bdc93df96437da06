"""Whether two runtimes gave the same answer, and the table of what may differ.

Bodies are compared byte for byte and headers value for value, after masking what no two runs can have in common: what
the shop drew by itself (ids and tokens, which are numbered as they appear, cursors that hold them, seals), the moments
at which things happened and digests that cover them, and which runtime it was. Everything else that differs is a
defect, or an entry of `EXCUSES`.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.runtime.exchange import Reply
from tests.runtime.rows import Names

# Made anew on each hop, or by the server of the load balancer: they say nothing of the service.
OF_THE_HOP = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
SERVED_BY = "x-served-by"  # differs by design, and is looked at for itself
_DRAWN = re.compile(
    r"v1\.s1\.[0-9a-f]{32}\.\d+\.shop\.[0-9a-f]{64}"  # a session
    r"|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    re.ASCII,
)
_SEAL = re.compile(r"\bs1\.\d{10}\.[\w-]+\.[\w-]{43}", re.ASCII)  # of the same text there are two, a second later
_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?"), "<moment>"),
    (re.compile(r"\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC"), "<minute>"),
    (re.compile(r'"(latency_ms|p95_ms)":\s*(\d+\.\d|null)'), "<latency>"),
    (re.compile(r'"hours":\s*\[[^\]]*\]'), "<hours>"),  # an hour may begin between two shops
    (re.compile(r'<svg class="chart".*?</details>', re.DOTALL), "<chart>"),
    (re.compile(r"(<td class=\"number\" data-latency>)[^<]*"), r"\1<latency>"),
    (re.compile(r"(<td data-runtime>)[^<]*"), r"\1<runtime>"),
    (re.compile(r'("served_by":\s*)"(local|lambda)"'), r"\1<runtime>"),
    (re.compile(r"(\bOrder |/admin/orders/[^\"]+\">)[0-9A-F]{8}\b"), r"\1<number>"),  # the beginning of its id
    (re.compile(r"(>request \S+ \S+ )(local|lambda) "), r"\1<runtime> "),  # at the foot of a page
    (re.compile(r"^((?:__Host-)?form=)[\w-]{24};"), r"\1<drawn>;"),
    (re.compile(r'^"(\d+)\.\d{9,17}"$'), r'"\1.<digest>"'),  # the gateway's ETag, of a page that tells moments
)


@dataclass(frozen=True, slots=True)
class Excuse:
    """Rows (a pattern of their names) whose answers differ in these forms of the event, and why they have to."""

    rows: str
    forms: Collection[str]
    why: str


BOTH = ("multi", "single")
LAST_ONE = "Without multi-value headers the load balancer hands over the last of several values alone"
AS_TEXT = "The event has bodies of text/* and of JSON as text: bytes in them that are not UTF-8 do not arrive"
EXCUSES: Sequence[Excuse] = (
    Excuse("a query key twice: *", ("single",), LAST_ONE),
    Excuse("repeated keys are seen", ("single",), LAST_ONE),
    Excuse("a repeated header is seen", ("single",), LAST_ONE),
    Excuse("two keys on one order: *", ("single",), LAST_ONE),
    Excuse("a credential twice", ("single",), LAST_ONE),
    Excuse("a body that is not UTF-8", BOTH, AS_TEXT),
    Excuse("a sheet that is not UTF-8: *", BOTH, AS_TEXT),
    Excuse("a body of text/plain; charset=iso-8859-1", BOTH, AS_TEXT),
    Excuse("a request over 1 MB", BOTH, "The load balancer takes 1 MB for a function"),
    Excuse("an answer over 1 MB", BOTH, "The load balancer takes 1 MB from a function; ours says so instead of dying"),
)


def excuse_of(what: str) -> Excuse | None:
    return next((excuse for excuse in EXCUSES if fnmatchcase(what, excuse.rows)), None)


@dataclass(frozen=True, slots=True)
class Masked:
    """A reply without what no two runs have in common. Several headers of a name are one list (RFC 9110, 5.3)."""

    status: int
    headers: dict[str, list[str]]
    body: bytes


COOKIE = "set-cookie"  # the one header of which several are not one list


class Mask:
    """Of one shop. Replies have to come in the order in which they were given."""

    def __init__(self, names: Names) -> None:
        self._kept = sorted(names.made_up.items(), key=lambda pair: -len(pair[0]))  # what holds others, before them
        self._ours = {str(session.customer_id) for session in names.customers.values()}
        self._drawn: dict[str, str] = {}

    def __call__(self, reply: Reply) -> Masked:
        identifier = reply.one("x-request-id")
        if re.fullmatch("[0-9a-f]{32}", identifier):  # not one that we sent
            self._drawn[identifier] = "<request>"
        headers: dict[str, list[str]] = {}
        for name, value in reply.headers:
            if name not in OF_THE_HOP and name != SERVED_BY:
                # The seconds until there is a place again go by while the other shop is asked.
                counting = name == "retry-after" and reply.status == 429 and value.isdecimal()
                headers.setdefault(name, []).append("<seconds>" if counting else self._text(value))
        joined = {name: given if name == COOKIE else [", ".join(given)] for name, given in headers.items()}
        return Masked(reply.status, joined, self._text(reply.body.decode("latin-1")).encode("latin-1"))

    def _text(self, text: str) -> str:
        text = _SEAL.sub("<seal>", text)
        for value, name in self._kept:
            text = text.replace(value, name)
        text = _DRAWN.sub(self._numbered, self._drawn.get(text, text))
        for pattern, instead in _MASKS:
            text = pattern.sub(instead, text)
        return text

    def _numbered(self, found: re.Match[str]) -> str:
        value = found[0]
        return value if value in self._ours else self._drawn.setdefault(value, f"<drawn {len(self._drawn)}>")


def differences(ours: Masked, theirs: Masked) -> list[str]:
    found = [] if ours.status == theirs.status else [f"status {ours.status} became {theirs.status}"]
    for name in sorted(ours.headers.keys() | theirs.headers.keys()):
        was, became = ours.headers.get(name, []), theirs.headers.get(name, [])
        if was != became:
            found.append(f"{name} {was} became {became}")
    if ours.body != theirs.body:
        found.append(_first_difference(ours.body, theirs.body))
    return found


def _first_difference(ours: bytes, theirs: bytes) -> str:
    at = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    start = max(0, at - 60)
    return (
        f"body of {len(ours)} bytes became {len(theirs)} at {at}:"
        f" {ours[start : at + 100]!r} became {theirs[start : at + 100]!r}"
    )
