"""AWS's Invoke API over the Lambda service, as boto3's client speaks it, and GET /sandboxes for people and tests."""

from aiohttp import web

from scripts.twin.functions.function import Invocation, refusal
from scripts.twin.functions.service import LambdaService

TRACE = "X-Amzn-Trace-Id"


def application(service: LambdaService) -> web.Application:
    app = web.Application(client_max_size=0)  # the limit is the service's to answer
    app[SERVICE] = service
    app.router.add_post("/2015-03-31/functions/{name}/invocations", _invoke)
    app.router.add_get("/sandboxes", _sandboxes)
    app.router.add_get("/healthz", _health)
    return app


SERVICE = web.AppKey("service", LambdaService)


async def _invoke(request: web.Request) -> web.Response:
    service, name = request.app[SERVICE], plain(request.match_info["name"])
    event = await request.read() or b"{}"
    kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    if kind == "RequestResponse":
        return answer(await service.invoke(name, event, trace_id=request.headers.get(TRACE)))
    if kind == "Event":
        return answer(service.send(name, event))
    return answer(refusal(400, "InvalidParameterValueException", f"There is no invocation type {kind!r} here."))


async def _sandboxes(request: web.Request) -> web.Response:
    return web.json_response(request.app[SERVICE].status())


async def _health(_: web.Request) -> web.Response:
    return web.Response()


def plain(name: str) -> str:
    """The name, of a name, a partial or a whole ARN, whatever the qualifier."""
    return name.rpartition("function:")[2].partition(":")[0]


def answer(invocation: Invocation) -> web.Response:
    response = web.Response(
        status=invocation.status,
        body=invocation.payload,
        content_type="application/json",
        headers={"X-Amz-Executed-Version": "$LATEST"},
    )
    if invocation.function_error:
        response.headers["X-Amz-Function-Error"] = invocation.function_error
    if invocation.status >= 400:
        response.headers["x-amzn-ErrorType"] = invocation.kind
    return response
