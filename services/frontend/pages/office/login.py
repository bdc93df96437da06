"""The door of the back office."""

import re

from fastapi import Request, Response

from services.chassis.auth import AdminKeys
from services.chassis.errors import Unauthenticated
from services.chassis.fields import Model
from services.chassis.limits import TokenBuckets
from services.frontend.pages.answers import go
from services.frontend.pages.forms import Nothing, read_form
from services.frontend.pages.office.frame import OFFICE, member_or_none, office_router, show_office
from services.frontend.pages.visitor import visitor
from services.frontend.visitors import visitor_address

router = office_router()

# A way back is a path of the office and nothing else: `//evil.example` is a host to a browser.
_OWN = re.compile(rf"{OFFICE}(/[A-Za-z0-9_-]+)*(\?[A-Za-z0-9_=&%.+-]*)?", re.ASCII)


class Credentials(Model):
    key: str
    next: str = OFFICE


@router.get("/login")
async def show_login(request: Request) -> Response:
    where = own_path(request.query_params.get("next", ""))
    if member_or_none(request):
        return go(request, where)
    return show_office(request, "login.html", None, next=where, error="")


@router.post("/login")
async def log_in(request: Request) -> Response:
    """A few tries each minute for one address."""
    filled = await read_form(request, Credentials)
    rate: TokenBuckets = request.app.state.session_rate
    rate.take(f"staff {visitor_address(request)}")
    keys: AdminKeys = request.app.state.admin_keys
    key, where = filled.given.get("key", "").strip(), own_path(filled.given.get("next", ""))
    try:
        keys.read(key)
    except Unauthenticated:
        error = "No such key, or it is no longer valid."
        return show_office(request, "login.html", None, status=403, next=where, error=error)
    visitor(request).keep_staff_key(key)
    return go(request, where)


@router.post("/logout")
async def log_out(request: Request) -> Response:
    (await read_form(request, Nothing)).valid()
    seen = visitor(request)
    seen.forget_staff_key()
    seen.say("calm", "You are logged out.")
    return go(request, f"{OFFICE}/login")


def own_path(text: str) -> str:
    """The address to go back to; the dashboard for anything that is no page of the office."""
    return text if _OWN.fullmatch(text) and not text.startswith(f"{OFFICE}/log") else OFFICE
