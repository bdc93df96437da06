"""A request of the parity table, and what of it is filled in when it is sent."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from services.chassis.auth import Session
from tests.runtime.exchange import Reply, Sent
from tests.services.whole_shop import admin_token, signature

SUCCESS, REFUSAL, ANY = range(200, 400), range(400, 500), range(200, 600)
SPACE = UUID(int=4)  # of the ids that the table makes up
CUSTOMERS = ("customer", "guest", "buyer", "regular")  # nobody orders so often that it is too often
_PLACE = re.compile(r"@[a-z]+[0-9]*")
JSON = "Content-Type: application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request, and the statuses that it may have on uvicorn.

    `@name` in target, headers and a body that is a text stands for what an earlier row kept under that name.
    `caller` is one of the customers, "admin", "service" (another one of ours) or nobody. `keep` names what
    later rows need of the answer. `operation` is the entry of an OpenAPI document
    that the row tries.
    """

    what: str
    method: str
    target: str
    statuses: range
    headers: tuple[str, ...] = ()
    body: str | bytes = b""
    caller: str = ""
    keep: Mapping[str, str] = field(default_factory=dict)
    operation: str = ""


@dataclass(slots=True)
class Names:
    """What `@name` stands for in one shop. `made_up` are the values that the shop drew or computed by itself."""

    customers: Mapping[str, Session]
    named: dict[str, str] = field(default_factory=dict)
    made_up: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        return _PLACE.sub(lambda found: self._value(found[0]), text)

    def keep(self, row: Row, reply: Reply) -> None:
        """Nothing of a refusal: then the rows that need it are refused, too, and the report begins with this one."""
        for name, place in row.keep.items() if reply.status < 400 else ():
            value = found(reply, place)
            self.named[f"@{name}"] = str(value)
            if isinstance(value, str) and not place.startswith("header "):  # numbers of a sequence are no surprise
                self.made_up[value] = f"@{name}"

    def sent(self, row: Row, number: int) -> Sent:
        body = self.fill(row.body).encode() if isinstance(row.body, str) else row.body
        target = self.fill(row.target)
        pairs = [(name, value.strip()) for name, _, value in (self.fill(line).partition(":") for line in row.headers)]
        names = {name.lower() for name, _ in pairs}
        pairs += [] if "x-request-id" in names else [("X-Request-Id", f"row-{number:05}")]
        if row.caller:
            pairs.append(("Authorization", self._credential(row, target, body)))
        if body and "content-length" not in names:
            pairs.append(("Content-Length", str(len(body))))
        return Sent(row.method, target, pairs, body)

    def _credential(self, row: Row, target: str, body: bytes) -> str:
        if row.caller == "service":
            return signature(row.method, target, body)
        return f"Bearer {admin_token() if row.caller == 'admin' else self.customers[row.caller].token}"

    def _value(self, name: str) -> str:
        session = self.customers["customer"]
        known = {"@customer": str(session.customer_id), "@token": session.token}
        return self.named.get(name) or known.get(name, "missing")


def made_up_id(name: str) -> str:
    """An id that the client chooses, the same in every shop."""
    return str(uuid5(SPACE, name))


def found(reply: Reply, place: str) -> str | int:
    """A member of the answer's JSON, or what `header`, `cookie` or `field` (of a form) before the name says."""
    kind, _, name = place.rpartition(" ")
    if kind == "header":
        return reply.one(name)
    if kind == "cookie":
        cookies = (cookie.partition(";")[0].partition("=") for cookie in reply.all("set-cookie"))
        return next(value for known, _, value in cookies if known == name)
    if kind == "field":
        fields: dict[str, str] = dict(re.findall(r'name="(\w+)" value="([^"]*)"', reply.body.decode()))
        return fields[name]
    member: str | int = json.loads(reply.body)[place]
    return member
