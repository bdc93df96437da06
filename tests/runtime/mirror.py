"""An app that shows what reached it and answers oddly: cookies, bytes, streams. The same chassis, the same doors."""

import hashlib
import os
from collections.abc import AsyncIterator, Mapping

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from services.chassis.settings import Settings
from services.chassis.web import create_app

ROUTER = APIRouter(prefix="/mirror", include_in_schema=False)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# The runtimes give these by design: who forwarded the request, and over which hop.
_OF_THE_WAY = {"x-forwarded-for", "x-forwarded-port", "x-amzn-trace-id", "content-length", "connection"}


@ROUTER.api_route("/seen{rest:path}", methods=METHODS)
async def show(request: Request) -> Response:
    """Everything that a route could have read of the request."""
    body = await request.body()
    pairs = [(name, value) for name, value in request.headers.items() if name not in _OF_THE_WAY]
    shown = {
        "method": request.method,
        "path": request.scope["path"],
        "raw_path": request.scope["raw_path"].decode("latin-1"),
        "query": sorted(request.query_params.multi_items()),
        "headers": sorted(pairs),
        "cookies": request.cookies,
        "scheme": request.url.scheme,
        "client": request.client.host if request.client else None,
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return JSONResponse(shown)


@ROUTER.get("/cookies")
async def cookies() -> Response:
    response = JSONResponse({})
    response.set_cookie("session", "a b;c", httponly=True, samesite="lax")
    response.set_cookie("seen", "1", max_age=60, path="/mirror")
    response.set_cookie("old", max_age=0)
    response.headers.append("link", "</a>; rel=next")
    response.headers.append("link", "</b>; rel=prev")
    return response


@ROUTER.get("/bytes")
async def every_byte() -> Response:
    return Response(bytes(range(256)) * 4, media_type="application/octet-stream")


@ROUTER.get("/text/{kind}")
async def text(kind: str) -> Response:
    """Texts whose media type or coding says something that their bytes do not keep."""
    bodies = {
        "latin": ("é".encode("latin-1"), "text/plain; charset=iso-8859-1"),
        "wrong": (b'{"a":"\xff"}', "application/json"),
        "nothing": (b"", "text/plain"),
        "null": (b"a\x00\x1f\x7fb\xe2\x80\xa8", "text/plain; charset=utf-8"),
        "plain": ("Grüße 🛒\n".encode(), "text/html; charset=utf-8"),
        "untyped": (b"plain", ""),
    }
    body, media_type = bodies[kind]
    return Response(body, headers={"content-type": media_type} if media_type else None)


@ROUTER.get("/large/{size}")
async def large(size: int) -> Response:
    return Response(b"abcdefg\n" * (size // 8), media_type="text/plain")


@ROUTER.get("/stream")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(5):
            yield f"{number},é\r\n".encode()

    named = {"content-disposition": 'attachment; filename="é.csv"'}
    return StreamingResponse(pieces(), media_type="text/csv", headers=named)


@ROUTER.get("/away")
async def away() -> Response:
    return RedirectResponse("/mirror/seen/caf%C3%A9?a=1", 307)


@ROUTER.get("/nothing")
async def nothing() -> Response:
    return Response(status_code=204)


@ROUTER.get("/failing")
async def fail() -> Response:
    raise RuntimeError("a mistake of ours")


async def _ready() -> Mapping[str, bool]:
    return {}


def create(settings: Settings | None = None, *, env: Mapping[str, str] = os.environ) -> FastAPI:
    settings = settings or Settings.from_env("mirror", env)
    return create_app(settings, title="Mirror", prefix="/mirror", routers=[ROUTER], ready=_ready)
