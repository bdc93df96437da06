"""Who works in the back office, and how its pages are sent.

A member of the staff types an admin key once; a sealed cookie keeps it for a working day. Each page asks for a role,
and the services behind ask again: a key that is taken back there opens nothing here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response

from services.chassis.auth import AdminKeys
from services.chassis.errors import Forbidden, Unauthenticated
from services.frontend.pages.answers import go, show
from services.frontend.pages.route import page_router
from services.frontend.pages.visitor import visitor

OFFICE = "/admin"
CATALOG, ORDERS, OPS = "catalog:write", "orders:write", "ops:read"


@dataclass(frozen=True, slots=True)
class Staff:
    """`name` is the id of their key; `authorization` the credential for the services behind."""

    name: str
    roles: frozenset[str]
    authorization: str

    def may(self, role: str) -> bool:
        return role in self.roles


def office_router(prefix: str = "") -> APIRouter:
    return page_router(prefix=OFFICE + prefix)


async def staff(request: Request) -> Staff:
    """Whoever is logged in. Raises Unauthenticated."""
    key = visitor(request).staff_key
    keys: AdminKeys = request.app.state.admin_keys
    caller = keys.read(key)
    return Staff(caller.name, caller.roles, f"Bearer {key}")


def holder(role: str) -> Callable[[Staff], Awaitable[Staff]]:
    """A dependency: who is logged in, if their key has `role`."""

    async def held(member: Annotated[Staff, Depends(staff)]) -> Staff:
        if not member.may(role):
            raise Forbidden
        return member

    return held


Anyone = Annotated[Staff, Depends(staff)]
Editor = Annotated[Staff, Depends(holder(CATALOG))]
Fulfiller = Annotated[Staff, Depends(holder(ORDERS))]
Auditor = Annotated[Staff, Depends(holder(OPS))]


def show_office(
    request: Request, template: str, member: Staff | None, *, status: int = 200, **context: Any
) -> Response:
    """A page that nobody keeps. `member` is None at the door."""
    response = show(request, f"office/{template}", status=status, staff=member, **context)
    response.headers["Cache-Control"] = "no-store"
    return response


def to_the_door(request: Request) -> Response:
    """To the login and, for what only shows, back again afterwards."""
    seen = visitor(request)
    if seen.staff_key:
        seen.forget_staff_key()
        seen.say("calm", "Your key is no longer valid. Please log in again.")
    path = request.scope["path"]
    if request.method != "GET" or path == OFFICE:
        return go(request, f"{OFFICE}/login")
    where = f"{path}?{request.url.query}" if request.url.query else path
    return go(request, f"{OFFICE}/login?{urlencode({'next': where})}")


def in_office(path: str) -> bool:
    return path == OFFICE or path.startswith(f"{OFFICE}/")


def member_or_none(request: Request) -> Staff | None:
    """For pages that are shown to whoever it is."""
    seen = visitor(request)
    try:
        caller = request.app.state.admin_keys.read(seen.staff_key)
    except Unauthenticated:
        return None
    return Staff(caller.name, caller.roles, f"Bearer {seen.staff_key}")
