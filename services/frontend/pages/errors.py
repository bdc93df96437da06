"""Errors as pages, for people; programs get their problem documents.

What is below `/api` is for programs. A page that refuses says so in HTML, and so does an address that leads nowhere
when the one who asks is a browser.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import Scope

from services.chassis.errors import DomainError
from services.chassis.problems import note, problem
from services.frontend.pages.answers import show
from services.frontend.pages.office.frame import in_office, member_or_none, show_office, to_the_door
from services.frontend.pages.route import PageRoute
from services.frontend.pages.visitor import FormRefused


@dataclass(frozen=True, slots=True)
class Said:
    title: str
    text: str


_SHELVES = Said(
    "We can’t see our shelves right now",
    "The catalogue is not answering at this moment. Your cart is safe, your orders are where they were, and this page "
    "usually works again within a minute.",
)
_ORDERS = Said(
    "We can’t reach the order book right now",
    "Your orders are safe; we just cannot read them at this moment. Looking around and filling your cart still works.",
)
_CHECKOUT = Said(
    "The checkout is closed for a moment",
    "We cannot see prices and stock right now, so we sell nothing. Your cart is safe and stays as it is.",
)
_BY_STATUS = {
    400: Said("That request got scrambled", "Something in it could not be read. Going back and trying again helps."),
    401: Said("We don’t know you any more", "Your session is over. Your cart is still here."),
    403: Said(
        "Please send that again",
        "The form was open for too long, or cookies are switched off: a cart and a checkout do not work without them. "
        "Go back, reload the page, and try once more.",
    ),
    404: Said("There is nothing here", "The address may be mistyped, or what stood here is no longer sold."),
    405: Said("That doesn’t work here", "This address exists, but not for what was sent to it."),
    413: Said("That was too much at once", "What was sent is larger than this page takes."),
    414: Said("That address is too long", "Try a shorter search."),
    422: Said("Something in that doesn’t fit", "One of the values sent is not possible here. Go back and have a look."),
    429: Said("One moment, please", "That was a lot in a short time. Wait a little and try again."),
    431: Said("Your browser sent too much", "Deleting this shop’s cookies helps; it empties your cart, too."),
    500: Said("Something went wrong on our side", "It was noted. Nothing has been ordered that you did not see."),
}


_OFFICE = {
    403: Said(
        "Your key does not open this", "Somebody whose key has the role for it can do this, or give you one that has."
    ),
    404: Said("There is nothing here", "The address may be mistyped, or it was never there."),
    503: Said(
        "The service behind this is not answering",
        "Whether a change was made is not known until it does: look at it again before you repeat it.",
    ),
}


def refuse(scope: Scope, error: DomainError) -> Response:
    """The answer for an error anywhere in the frontend."""
    request = Request(scope)
    if not _for_people(request):
        return problem(error)
    note(error)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    query = f"?{request.url.query}" if request.url.query else ""
    again = f"/{request.url.path.lstrip('/')}{query}"
    if in_office(request.scope["path"]):
        return _refuse_staff(request, error, headers, again=again)
    said = _said(request.scope["path"], error)
    return show(request, "error.html", status=error.status, headers=headers, said=said, error=error, again=again)


def _refuse_staff(request: Request, error: DomainError, headers: Mapping[str, str], *, again: str) -> Response:
    if error.status == 401:
        return to_the_door(request)
    said = _BY_STATUS[403] if isinstance(error, FormRefused) else _OFFICE.get(error.status)
    response = show_office(
        request,
        "error.html",
        member_or_none(request),
        status=error.status,
        said=said or _BY_STATUS.get(error.status, Said(error.title, "")),
        error=error,
        again=again,
    )
    response.headers.update(headers)
    return response


def _for_people(request: Request) -> bool:
    path = request.scope["path"]
    if path == "/api" or path.startswith("/api/"):
        return False
    return isinstance(request.scope.get("route"), PageRoute) or "text/html" in request.headers.get("accept", "")


def _said(path: str, error: DomainError) -> Said:
    if error.status == 503:
        return _CHECKOUT if path == "/checkout" else _ORDERS if path.startswith("/my/") else _SHELVES
    if error.status == 404 and path.startswith("/item/"):
        return Said("We don’t have that (any more)", "This article is not in the shop. Something like it may be.")
    if error.status == 404 and path.startswith("/my/orders/"):
        return Said(
            "No such order here",
            "Orders are shown in the browser that placed them, and nowhere else. If that was this one, the address may "
            "be mistyped.",
        )
    return _BY_STATUS.get(error.status, Said(error.title, ""))
