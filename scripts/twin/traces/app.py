"""`/_traces` and `/_traces/<id>`: pages for people, JSON for programs that ask for it."""

import asyncio
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from scripts.twin.control.own_machine import OwnMachineOnly
from scripts.twin.traces import detail, document, lines, page
from scripts.twin.traces.receiver import Inbox
from scripts.twin.traces.summary import Wanted, summed
from scripts.twin.traces.tree import forest

PATH = "/_traces"


def routes(inbox: Inbox, logs: Path | None) -> list[Route]:
    """`logs` is the folder of the supervisor's files."""

    async def listed(request: Request) -> Response:
        try:
            wanted = Wanted.read(request.query_params)
        except ValueError:
            return _problem(400, "`slower` is a number of milliseconds.")
        traces = await inbox.read()
        chosen = wanted.chosen(traces.all())
        if _for_people(request):
            return HTMLResponse(page.rendered(traces, chosen, wanted), headers=page.headers())
        return JSONResponse(document.listed(traces, chosen))

    async def told(request: Request) -> Response:
        people = _for_people(request)
        trace = (await inbox.read()).find(request.path_params["trace"])
        if trace is None:
            gone = HTMLResponse(page.missing(), 404, headers=page.headers())
            return gone if people else _problem(404, "This trace is not kept.")
        spans = list(trace.spans.values())
        found = await asyncio.to_thread(lines.found, logs, trace.id, spans) if logs else []
        tops = forest(spans)
        summary = summed(trace, tops)
        if people:
            return HTMLResponse(detail.rendered(summary, tops, found), headers=page.headers())
        return JSONResponse(document.told(summary, tops, found))

    return [Route(PATH, listed), Route(f"{PATH}/{{trace}}", told)]


class Door:
    """Stands before the shop's front door and takes these pages out of its way. There is none of it on AWS."""

    def __init__(self, shop: ASGIApp, pages: list[Route]) -> None:
        self._shop = shop
        self._pages = OwnMachineOnly(Starlette(routes=pages))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and (scope["path"] == PATH or scope["path"].startswith(f"{PATH}/"))
        await (self._pages if ours else self._shop)(scope, receive, send)


def _for_people(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _problem(status: int, title: str) -> Response:
    return JSONResponse({"title": title, "status": status}, status, media_type="application/problem+json")
