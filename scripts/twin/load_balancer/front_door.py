"""What stands in front of the load balancer: CloudFront, as far as the load balancer can tell it from anybody else."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class FrontDoor:
    """Puts the origin's custom headers on every request, over those that the client sent under these names.

    CloudFront: "Add custom headers to origin requests". Nothing else of it is acted out.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self._names = {name for name, _ in self._headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kept = [pair for pair in scope["headers"] if pair[0] not in self._names]
            scope = {**scope, "headers": [*kept, *self._headers]}
        await self._app(scope, receive, send)
