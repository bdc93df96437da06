"""Who may look, and who may change something: people and programs of this machine.

Nobody is asked for credentials, so a foreign Host (a name that an attacker lets resolve to 127.0.0.1) is not believed,
and no write is taken that a page of another site makes a browser send.
"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS = {"127.0.0.1", "localhost", "[::1]"}
SAFE = {"GET", "HEAD"}


class OwnMachineOnly:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (why := stranger(Request(scope))):
            await PlainTextResponse(f"Refused: {why}.\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def stranger(request: Request) -> str:
    """Why this request is not from a person or program of this machine; empty when it may be."""
    host = request.headers.get("host", "")
    if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
        return "the Host is none of this machine"
    if request.client is not None and request.client.host not in {"127.0.0.1", "::1"}:
        return "the client is not on this machine"
    if request.method in SAFE:
        return ""
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return "another site sent it"
    if request.headers.get("origin", f"http://{host}") != f"http://{host}":
        return "another site sent it"
    return ""
