"""Who is calling, as a route asks: `Customer`, `AnyCaller`, `Depends(admin("catalog:write"))`, `Depends(peer)`."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from services.chassis.auth import ANONYMOUS, Caller, InternalRequest
from services.chassis.errors import Forbidden, Unauthenticated

_session = HTTPBearer(scheme_name="session", auto_error=False, description="A guest session from POST /api/sessions")
_admin = HTTPBearer(scheme_name="admin", auto_error=False, description="An admin key: adm_<id>_<secret>")
_signature = APIKeyHeader(
    name="Authorization", scheme_name="service", auto_error=False, description="Signature of another service"
)
_Bearer = HTTPAuthorizationCredentials | None


async def _session_caller(request: Request, bearer: Annotated[_Bearer, Depends(_session)]) -> Caller:
    return _read(request, bearer)


async def _admin_caller(request: Request, bearer: Annotated[_Bearer, Depends(_admin)]) -> Caller:
    return _read(request, bearer)


async def caller(
    request: Request, bearer: Annotated[_Bearer, Depends(_session)], _: Annotated[_Bearer, Depends(_admin)]
) -> Caller:
    """Whoever calls: a customer, an admin, or nobody. A credential that is not valid is refused, not ignored."""
    return _read(request, bearer)


async def customer(caller: Annotated[Caller, Depends(_session_caller)]) -> UUID:
    """The id of the customer who calls. 401 without a session, 403 with an admin key."""
    if caller.customer_id is not None:
        return caller.customer_id
    raise Unauthenticated if caller is ANONYMOUS else Forbidden


def admin(role: str) -> Callable[[Caller], Awaitable[str]]:
    """A dependency that gives the key's id when its holder has `role`; else 401 or 403."""

    async def holder(caller: Annotated[Caller, Depends(_admin_caller)]) -> str:
        if caller is ANONYMOUS:
            raise Unauthenticated
        if role not in caller.roles:
            raise Forbidden
        return caller.name

    return holder


async def peer(request: Request, authorization: Annotated[str | None, Depends(_signature)]) -> str:
    """The key id of the service that signed this request. 401 otherwise."""
    target = (request.scope.get("raw_path") or request.url.path.encode()).decode("ascii")
    if query := request.scope["query_string"].decode("ascii"):
        target = f"{target}?{query}"
    signed = InternalRequest(request.method, target, await request.body(), request.app.state.settings.service)
    verified: Caller = request.app.state.verifier.verify(authorization or "", signed)
    return verified.name


def _read(request: Request, bearer: _Bearer) -> Caller:
    if bearer is None:
        if request.headers.get("authorization"):
            raise Unauthenticated
        return ANONYMOUS
    state = request.app.state
    token = bearer.credentials
    read: Callable[[str], Caller] = state.admin_keys.read if token.startswith("adm_") else state.sessions.read
    return read(token)


Customer = Annotated[UUID, Depends(customer)]
AnyCaller = Annotated[Caller, Depends(caller)]
