"""Who gets into the back office, how far, and what keeps others out."""

from dataclasses import replace

import pytest

from services.frontend.main import create
from tests.runtime.undocumented import doors
from tests.services.frontend.conftest import EXPIRED, SETTINGS, STAFF
from tests.services.frontend.office import PAGES, log_in, stocked
from tests.services.frontend.stand_in import ORDER_ID, StandIn, problem
from tests.services.frontend.test_pages_safety import HOSTILE, POLICY, shape
from tests.services.frontend.visiting import Visitor, set_cookies


@pytest.fixture(autouse=True)
def _stocked(shop: StandIn) -> None:
    stocked(shop)


async def test_every_page_leads_to_the_door_and_the_door_back(visitor: Visitor, shop: StandIn) -> None:
    for path in PAGES:
        reply = await visitor.ask("GET", path, headers={"accept": "text/html"})
        assert (reply.status, reply.body) == (303, b""), path
        assert reply.headers["Location"].startswith("/admin/login"), path
    assert shop.seen == []
    door = await visitor.get("/admin/orders?status=shipped")
    back = await visitor.submit(door.form("/admin/login"), key=STAFF["all"][0])
    assert "Orders" in back.text
    assert shop.targets()[-1] == "/orders?limit=30&status=shipped"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "adm_all_wrong",
        STAFF["all"][0] + "x",
        STAFF["all"][0].replace("adm_all", "adm_cat"),
        EXPIRED,
        "<script>alert(1)</script>",
    ],
)
async def test_a_key_that_is_none_is_told_so_and_opens_nothing(visitor: Visitor, key: str) -> None:
    door = await visitor.get("/admin/login")
    refused = await visitor.submit(door.form("/admin/login"), key=key)
    assert visitor.reply.status == 403
    assert "No such key" in refused.text
    assert key not in refused.html.replace('value=""', "") or key in {"", "x"}
    assert "staff" not in visitor.cookies
    assert (await visitor.ask("GET", "/admin")).status == 303


async def test_tries_are_counted_by_address(visitor: Visitor) -> None:
    door = (await visitor.get("/admin/login")).form("/admin/login")
    statuses = [
        (await visitor.post("/admin/login", door.fields | {"key": f"adm_no_{number}"})).status for number in range(8)
    ]
    assert statuses == [403] * 5 + [429] * 3
    assert visitor.reply.headers["Retry-After"].isdecimal()
    await visitor.add(1)
    assert (await visitor.ask("POST", "/api/sessions")).status == 201, "the shop's own limit is another one"


@pytest.mark.parametrize("https", [False, True])
async def test_the_cookie_is_for_this_site_alone_and_for_a_working_day(visitor: Visitor, https: bool) -> None:
    visitor.https = https
    door = await visitor.get("/admin/login")
    await visitor.post("/admin/login", door.form("/admin/login").fields | {"key": STAFF["all"][0]})
    (cookie,) = [found for found in set_cookies(visitor.reply) if found[0].endswith("staff")]
    name, value, options = cookie
    assert name == ("__Host-staff" if https else "staff")
    assert options.get("httponly") is True
    assert (options["samesite"], options["path"], options["max-age"]) == ("strict", "/", "28800")
    assert options.get("secure", False) is https
    assert STAFF["all"][0] not in value


async def test_a_cookie_that_was_changed_or_sealed_for_something_else_opens_nothing(visitor: Visitor) -> None:
    await log_in(visitor)
    good = visitor.cookies["staff"]
    await visitor.add(1)
    for forged in (good[:-1] + ("A" if good[-1] != "A" else "B"), visitor.cookies["cart"], "x", ""):
        visitor.cookies["staff"] = forged
        assert (await visitor.ask("GET", "/admin", headers={"cookie": f"staff={forged}"})).status == 303


async def test_logging_out_closes_the_door(visitor: Visitor) -> None:
    inside = await log_in(visitor)
    outside = await visitor.submit(inside.form("/admin/logout"))
    assert "You are logged out." in outside.text
    assert "staff" not in visitor.cookies


async def test_a_key_that_was_taken_back_behind_leads_to_the_door(visitor: Visitor, shop: StandIn) -> None:
    await log_in(visitor)
    shop.answer("GET /products/inventory", problem(401, "unauthenticated"), 401)
    door = await visitor.get("/admin/low-stock")
    assert "Your key is no longer valid." in door.text
    assert "staff" not in visitor.cookies


OPENS = {
    "cat": {path for path in PAGES if "orders" not in path},
    "ops": {"/admin", "/admin/orders", f"/admin/orders/{ORDER_ID}"},
    "ord": {"/admin"},
    "all": set(PAGES),
}


@pytest.mark.parametrize("name", OPENS)
async def test_a_key_opens_what_its_roles_say_and_shows_no_way_to_the_rest(visitor: Visitor, name: str) -> None:
    await log_in(visitor, name)
    for path in PAGES:
        shown = await visitor.get(path)
        assert visitor.reply.status == (200 if path in OPENS[name] else 403), path
        if path not in OPENS[name]:
            assert "Your key does not open this" in shown.text
        ways = {link for link in shown.links if link.startswith("/admin/") and link.count("/") == 2 and "?" not in link}
        assert ways <= OPENS[name] | {"/admin/products.csv"}, path


@pytest.mark.parametrize(
    "where",
    [
        "//evil.example",
        "https://evil.example/admin",
        "/admin//evil",
        "/admin\\evil",
        "/shop",
        "/admin/login",
        "/administrator",
        "/admin/../x",
        "/admin?a=//b\n",
    ],
)
async def test_the_way_back_is_a_page_of_the_office(visitor: Visitor, where: str) -> None:
    door = await visitor.get("/admin/login")
    reply = await visitor.post(
        "/admin/login", door.form("/admin/login").fields | {"key": STAFF["all"][0], "next": where}
    )
    assert (reply.status, reply.headers["Location"]) == (303, "/admin")


def posts() -> list[str]:
    """Every address of the office that takes a form, with something in the place of its parameters."""
    app = create(replace(SETTINGS, upstream_url="http://127.0.0.1:9"))
    found = [door.path for door in doors(app) if door.method == "POST" and door.path.startswith("/admin")]
    return [path.replace("{number}", ORDER_ID if "/orders" in path else "1") for path in found]


def test_the_office_takes_these_forms() -> None:
    assert len(posts()) == 12


@pytest.mark.parametrize("path", posts())
async def test_a_form_of_the_office_without_our_token_is_refused(visitor: Visitor, shop: StandIn, path: str) -> None:
    await log_in(visitor)
    stranger = Visitor(visitor.ask)
    theirs = (await stranger.get("/item/1")).form("/cart").fields["form"]
    before, asked = dict(visitor.cookies), len(shop.seen)
    for token in ({}, {"form": ""}, {"form": "x.y.z.w"}, {"form": theirs}, {"form": visitor.cookies["staff"]}):
        assert (await visitor.post(path, token)).status == 403, token
        assert b"Please send that again" in visitor.reply.body
    own = (await visitor.get("/item/1")).form("/cart").fields["form"]
    asked = len(shop.seen)
    assert (await visitor.post(path, {"form": own}, **{"sec-fetch-site": "cross-site"})).status == 403
    assert len(shop.seen) == asked
    assert visitor.cookies["staff"] == before["staff"]


@pytest.mark.parametrize("path", PAGES)
async def test_pages_are_kept_by_nobody_and_need_nothing_beyond_the_policy(visitor: Visitor, path: str) -> None:
    await log_in(visitor)
    shown = await visitor.get(path)
    headers = visitor.reply.headers
    assert headers["Cache-Control"] == "no-store"
    assert dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; ")) == POLICY
    assert all(source.startswith("/") or source == "harmless" for source in shown.loads)
    assert not any(name == "style" or name.startswith("on") for _, named in shown.tags for name in named)


async def test_text_is_text_on_every_page_of_the_office(visitor: Visitor, shop: StandIn) -> None:
    await log_in(visitor)
    expected = {path: shape(await visitor.get(path)) for path in PAGES}
    seen = 0
    for hostile in HOSTILE:
        stocked(shop, hostile)
        for path in PAGES:
            shown = await visitor.get(path)
            assert shape(shown) == expected[path], (path, hostile)
            seen += " ".join(hostile.split()) in shown.text
    assert seen >= len(HOSTILE) * 5
