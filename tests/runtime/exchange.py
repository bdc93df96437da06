"""A request to one of the shops, byte for byte as the table has it, and the whole answer."""

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE = 60.0  # seconds: how fast a machine is, is no question here


@dataclass(frozen=True, slots=True)
class Sent:
    """Headers are pairs in their order."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` are pairs in their order, names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known == name]

    def one(self, name: str) -> str:
        return next(iter(self.all(name)), "")


class Line:
    """One connection to one shop, opened again when the shop has closed it."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)

    def ask(self, sent: Sent) -> Reply:
        connection = self._connection
        # Neither Accept-Encoding nor anything else that was not asked for.
        connection.putrequest(sent.method, sent.target, skip_host=True, skip_accept_encoding=True)
        if "host" not in {name.lower() for name, _ in sent.headers}:
            connection.putheader("Host", "shop.example")
        for name, value in sent.headers:
            connection.putheader(name, value)
        connection.endheaders(sent.body or None)
        answer = connection.getresponse()
        body = answer.read()
        headers = tuple((name.lower(), value) for name, value in answer.getheaders())
        return Reply(answer.status, headers, body)

    def close(self) -> None:
        self._connection.close()
