"""The routes of the table of operations: each request becomes one call, each answer comes back as it is."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.security import HTTPBearer

from services.chassis.fields import Id
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.upstream import deadline
from services.frontend.backends import Backend
from services.frontend.calls import Call
from services.frontend.description import described
from services.frontend.operations import OPERATIONS, Operation
from services.frontend.proxy import answer_back, headers_on, query_on
from services.frontend.schemas import Slug

Endpoint = Callable[..., Awaitable[Response]]

# They describe who may call; the backend judges.
BEARERS: Mapping[str, Any] = {
    "session": HTTPBearer(
        scheme_name="session", auto_error=False, description="A guest session from POST /api/sessions"
    ),
    "admin": HTTPBearer(scheme_name="admin", auto_error=False, description="An admin key: adm_<id>_<secret>"),
}
ANY_BEARER = [Depends(bearer) for bearer in BEARERS.values()]

_ALWAYS = frozenset(status for status in problems() if isinstance(status, int))
_MEANING = {200: "Done", 201: "Made", 202: "Not finished yet: read it again, or repeat the request", 204: "Done"}

router = APIRouter(prefix="/api", route_class=Route)


async def forward(operation: Operation, request: Request, **identifiers: Any) -> Response:
    backends: Mapping[str, Backend] = request.app.state.backends
    call = Call(
        method=operation.method,
        path=operation.to.format(**identifiers),
        statuses=_ALWAYS | frozenset(operation.answers) | frozenset(operation.refusals),
        media_type="text/csv" if operation.csv == "answer" else "application/json",
        query=query_on(request),
        headers=headers_on(request),
        body=b"" if operation.method == "GET" else await request.body(),
        seconds=operation.seconds,
    )
    with deadline(operation.seconds):
        return answer_back(await backends[operation.backend].forward(call))


def _endpoint(operation: Operation) -> Endpoint:
    """Identifiers are read here, so that what enters a backend's path is a number, a UUID or a slug."""

    async def plain(request: Request) -> Response:
        return await forward(operation, request)

    async def of_product(request: Request, product_id: Id) -> Response:
        return await forward(operation, request, product_id=product_id)

    async def of_order(request: Request, order_id: UUID) -> Response:
        return await forward(operation, request, order_id=order_id)

    async def of_category(request: Request, slug: Annotated[Slug, Path()]) -> Response:
        return await forward(operation, request, slug=slug)

    kinds: Mapping[str, Endpoint] = {"{product_id}": of_product, "{order_id}": of_order, "{slug}": of_category}
    return next((endpoint for name, endpoint in kinds.items() if name in operation.path), plain)


def _responses(operation: Operation) -> dict[int | str, dict[str, Any]]:
    answers: dict[int | str, dict[str, Any]] = {}
    for status, model in operation.answers.items():
        answers[status] = {"description": _MEANING[status], **({"model": model} if model else {})}
    if operation.csv == "answer":
        answers[200]["content"] = {"text/csv": {"schema": {"type": "string"}}}
    return answers | problems(*operation.refusals)


for _operation in OPERATIONS:
    router.add_api_route(
        _operation.path,
        _endpoint(_operation),
        methods=[_operation.method],
        name=_operation.name,
        status_code=next(iter(_operation.answers)),
        response_class=Response,
        responses=_responses(_operation),
        openapi_extra=described(
            query=_operation.query,
            body=_operation.body,
            body_required=_operation.body_required,
            csv=_operation.csv == "body",
            headers=_operation.headers,
        ),
        dependencies=[Depends(BEARERS[caller]) for caller in _operation.callers],
        tags=[_operation.backend],
    )
