"""What the load balancer answers by itself: errors with a page as the real one's, and fixed responses."""

from email.utils import formatdate
from http import HTTPStatus

from starlette.types import Scope, Send

from scripts.twin.deployment.values import FixedResponse

SERVER = b"awselb/2.0"
PAGE = """\
<html>
<head><title>{title}</title></head>
<body>
<center><h1>{title}</h1></center>
</body>
</html>
""".replace("\n", "\r\n")
PHRASES = {status.value: status.phrase for status in HTTPStatus}
Headers = list[tuple[bytes, bytes]]


async def refuse(scope: Scope, send: Send, status: int) -> None:
    page = PAGE.format(title=f"{status} {PHRASES.get(status, '')}".strip())
    await reply(scope, send, status, [(b"content-type", b"text/html")], page.encode())


async def fixed(scope: Scope, send: Send, answer: FixedResponse) -> None:
    await reply(scope, send, answer.status, [(b"content-type", answer.content_type.encode())], answer.body.encode())


async def reply(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Whole and with its length; Server and Date are added where they are missing."""
    present = {name.lower() for name, _ in headers}
    own = [(b"server", SERVER), (b"date", formatdate(usegmt=True).encode())]
    whole = [pair for pair in own if pair[0] not in present] + headers
    bodiless = status in {204, 304} or status < 200
    if not bodiless and b"content-length" not in present:
        whole.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": whole})
    sent = b"" if bodiless or scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})
