"""How pages are sent: rendered, compressed, with the headers that keep others out of them.

The policy allows what comes from here and nothing else: no inline script or style, no frame, no plugin, no form that
leads away. Pictures alone may also come over https from where a shop keeps its own.
"""

import gzip
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from services.chassis.logs import request_id
from services.frontend.pages.look import Look
from services.frontend.pages.visitor import visitor

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_WORTH_IT = 600  # bytes from which on compressing saves more than it costs


def show(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
) -> Response:
    """A page. `context` is what its template uses beside what every page has: visitor, notice, path, version, ids."""
    seen = visitor(request)
    settings = request.app.state.settings
    shown = {
        "visitor": seen,
        "notice": seen.take_notice(),
        "path": request.scope["path"],
        "search": None,
        "request_id": request_id.get(),
        "served_by": settings.served_by,
        "version": settings.version,
        **context,
    }
    look: Look = request.app.state.look
    body = look.templates.render(template, shown)
    kept = "no-store" if seen.known else "private, no-cache"
    response = packed(request, body, "text/html; charset=utf-8", status=status)
    response.headers.update({**HEADERS, "Cache-Control": kept, **(headers or {})})
    response.headers.append("Vary", "Cookie")
    seen.apply(response)
    return response


def packed(
    request: Request, body: bytes, media_type: str, *, compressed: bytes | None = None, status: int = 200
) -> Response:
    """A body, compressed where the visitor takes that and it is worth it."""
    headers = {"Content-Type": media_type, "Vary": "Accept-Encoding"}
    if len(body) >= _WORTH_IT and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 5, mtime=0) if compressed is None else compressed
    return Response(body, status, headers)


def go(request: Request, where: str) -> Response:
    """To another page, with GET: what was sent is not sent again on a reload."""
    response = Response(status_code=303, headers={**HEADERS, "Location": where, "Cache-Control": "no-store"})
    visitor(request).apply(response)
    return response
