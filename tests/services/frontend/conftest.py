"""The gateway on a real port, in front of a stand-in for everything behind it."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta

import aiohttp
import pytest
from yarl import URL

from services.chassis.auth import new_admin_key
from services.chassis.settings import Settings
from services.frontend.main import create
from tests.services.conftest import Serve
from tests.services.frontend.stand_in import Clock, Reply, StandIn
from tests.services.frontend.visiting import Ask, Visitor

ROLES = ("catalog:write", "orders:write", "ops:read")
STAFF = {
    name: new_admin_key(name, roles) for name, roles in {"all": ROLES, **{role[:3]: [role] for role in ROLES}}.items()
}
EXPIRED, EXPIRED_KEY = new_admin_key("late", ROLES, lifetime=timedelta(seconds=-1))

SETTINGS = Settings(
    service="frontend", session_keys={"s1": b"s" * 32}, service_keys={"k1": b"k" * 32}, sessions_per_minute=1000
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def behind() -> AsyncIterator[tuple[StandIn, str]]:
    stand_in = StandIn()
    stand_in.answer_healthily()
    async with stand_in.served() as base_url:
        yield stand_in, base_url


@pytest.fixture
def shop(behind: tuple[StandIn, str]) -> StandIn:
    """What stands behind the gateway."""
    return behind[0]


@pytest.fixture
async def gateway(behind: tuple[StandIn, str], serve: Serve, clock: Clock) -> AsyncIterator[str]:
    settings = Settings(
        service="frontend",
        session_keys=SETTINGS.session_keys,
        service_keys=SETTINGS.service_keys,
        admin_keys=(*(stored for _, stored in STAFF.values()), EXPIRED_KEY),
        upstream_url=behind[1],
    )
    async with serve(create(settings, clock=clock)) as base_url:
        yield base_url


@pytest.fixture
async def ask(gateway: str) -> AsyncIterator[Ask]:
    """`await ask("GET", "/api/home", headers=…)`: headers may be pairs, to give one twice."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def asked(
            method: str,
            target: str,
            *,
            body: bytes = b"",
            headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        ) -> Reply:
            url = URL(gateway + target, encoded=True)
            async with session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                return Reply(answer.status, answer.headers, await answer.read())

        yield asked


@pytest.fixture
def visitor(ask: Ask) -> Visitor:
    """Somebody with a browser that holds no cookies yet."""
    return Visitor(ask)
