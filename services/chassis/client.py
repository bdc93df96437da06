"""The HTTP client under `upstream`: one pool of connections, and no opinion of its own about trying again.

`upstream` loads it with the first call, because it is a third of what a service loads, and a cold start on Lambda pays
for what is loaded.
"""

from collections.abc import Mapping

import aiohttp
from yarl import URL

CONNECT_TIMEOUT = 0.5  # seconds
IDLE_TIMEOUT = 30.0  # seconds a connection may wait for its next call; below the peer's keep-alive of 75
CONNECTIONS = 100


class Client:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Content-Type", "Accept-Encoding"),
        )
        # By itself it sends a PUT again after a disconnect, under the same signature, which the peer then refuses
        # as a replay. There is no public switch; a test holds this one.
        self._session._retry_connection = False

    async def send(
        self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. Raises OSError, and TimeoutError after `seconds` or without a connection."""
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                data=body or None,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_TIMEOUT),
            ) as response:
                return response.status, response.headers, await response.read()
        except aiohttp.ClientError as error:
            if isinstance(error, OSError):  # TimeoutError is one too
                raise
            # Its own text may hold the request: target, credentials and all.
            raise ConnectionError(type(error).__name__) from None

    async def close(self) -> None:
        await self._session.close()
