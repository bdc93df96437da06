"""The static files: kept for a year, since another content has another name."""

from fastapi import Request, Response

from services.chassis.errors import NotFound
from services.frontend.pages.answers import packed
from services.frontend.pages.look import Look
from services.frontend.pages.route import page_router

router = page_router()

FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/static/{public}")
async def read_asset(request: Request, public: str) -> Response:
    look: Look = request.app.state.look
    asset = look.assets.find(public)
    if asset is None:
        raise NotFound
    response = packed(request, asset.body, asset.media_type, compressed=asset.compressed)
    response.headers["Cache-Control"] = FOR_EVER if asset.public == public else "no-store"
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
