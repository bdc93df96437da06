"""Rows by hand: what the documents do not say, in the order in which they build on one another."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tests.runtime.documents import PRICE
from tests.runtime.generated import LINES, creation, order
from tests.runtime.rows import ANY, JSON, REFUSAL, Row, made_up_id

KEY = "Idempotency-Key: {}"


def first() -> Iterator[Row]:
    """What every other row may rely on."""
    yield row("the category of everything", "PUT", "/products/categories/desk", 204, JSON, body='{"name":"Desk"}')
    yield creation("product")
    yield creation("scarce", stock=1)
    yield order("customerorder", "customer")
    yield order("guestorder", "guest")


def row(
    what: str,
    method: str,
    target: str,
    status: int | range,
    *headers: str,
    body: str | bytes = b"",
    caller: str = "admin",
    keep: Mapping[str, str] | None = None,
) -> Row:
    statuses = range(status, status + 1) if isinstance(status, int) else status
    return Row(
        what=what,
        method=method,
        target=target,
        statuses=statuses,
        headers=headers,
        body=body,
        caller=caller,
        keep=keep or {},
    )


def look(what: str, targets: Iterable[str], statuses: range = ANY, *headers: str, caller: str = "") -> Iterator[Row]:
    for target in targets:
        yield row(f"{what}: {target}", "GET", target, statuses, *headers, caller=caller)


QUERIES = (
    "/products?q=caf%C3%A9+x&limit=2",
    "/products?q=a%2Bb",
    "/products?q=a+b",
    "/products?q=note%20s",
    "/products?q=",
    "/products?q",
    "/products?",
    "/products?&&q=note&",
    "/products?%71=note",
    "/products?q=note%26limit%3D1",
    "/products?q=%F0%9F%9B%92",
    "/products?q=%FF%FE",
    "/products?q=50%",
    "/products?q=%ZZ",
    "/products?q=a;b=c",
    "/products?q=a=b=c",
    "/products?=x",
    "/products?limit=+1",
    "/products?limit=0",
    "/products?sort=-price&in_stock=true&category=desk&limit=2",
    "/products?cursor=nonsense",
    "/products?q=%00",
    "/api/products?q=caf%C3%A9+x&limit=2",
    "/api/products?q=a%2Bb&sort=-price",
    "/api/products?q=%F0%9F%9B%92",
    "/orders?status=lost",
    "/orders?limit=1",
)
PATHS = (
    "/products/%31",
    "/products/1%2F",
    "/products/categories%2Fdesk",
    "/products/1%2Fimage.svg",
    "/products/caf%C3%A9",
    "/products/%F0%9F%9B%92",
    "/products/a%20b+c",
    "/products/%25",
    "/products/1/",
    "/products//1",
    "/products/./1",
    "/products/..%2Fproducts",
    "/products/+1",
    "/products/9223372036854775807",
    "/products/9223372036854775808",
    "/orders/not-a-uuid",
    "/orders/{" + made_up_id("nothing") + "}",
    "/api/products/1%2Fstock",
    "/api/orders/%00",
    "/api/nowhere",
    "/nowhere",
    "/",
)
PREFIXES = ("/products", "/orders", "/api")
HEALTH = tuple(f"{prefix}/{door}" for prefix in ("", *PREFIXES) for door in ("healthz", "readyz"))
DOCUMENTED = tuple(f"{prefix}/{page}" for prefix in PREFIXES for page in ("docs", "openapi.json"))


def reading() -> Iterator[Row]:
    yield from look("an odd query", QUERIES)
    yield from look("an odd path", PATHS)
    yield from look("health", HEALTH, range(200, 201))
    yield from look("health to a load balancer", HEALTH[:1], range(200, 201), "User-Agent: ELB-HealthChecker/2.0")
    yield from look("a page of the documents", DOCUMENTED, range(200, 201))
    yield row("archived products to the staff", "GET", "/products?archived=true", 200)
    yield row("archived products to a customer", "GET", "/products?archived=true", 403, caller="customer")
    yield row("a first page", "GET", "/products?limit=2&sort=name", 200, caller="", keep={"next": "next"})
    yield row("the page after it", "GET", "/products?limit=2&sort=name&cursor=@next", 200, caller="")
    yield row("a cursor of another query", "GET", "/products?limit=2&sort=price&cursor=@next", REFUSAL, caller="")
    yield row("a first page of orders", "GET", "/orders?limit=1", 200, caller="customer", keep={"older": "next"})
    yield row("older orders", "GET", "/orders?limit=1&cursor=@older", 200, caller="customer", keep={"oldest": "next"})
    yield from caching()
    yield row("an unknown method", "PURGE", "/products/1", 405, caller="")
    yield row("a body on a read", "GET", "/products/1", 200, body="not expected", caller="")
    yield row("no time left", "GET", "/products/1", 503, "X-Deadline-Ms: 0", caller="")
    yield row("a request id that is none", "GET", "/products/1", 200, "X-Request-Id: no", caller="")
    yield row("two cookies", "GET", "/products/1", 200, "Cookie: a=1; b=2", "Cookie: c=3", caller="")
    yield row("a credential twice", "GET", "/api/orders", REFUSAL, "Authorization: Bearer x", caller="customer")
    yield row("a lower-case scheme", "GET", "/orders", 200, "authorization: bearer @token", caller="")
    yield row("another's signature", "GET", "/products/1", 401, "Authorization: Tandem a.1.b.c", caller="")


def caching() -> Iterator[Row]:
    for path in ("/products/@scarce", "/products/@scarce/image.svg", "/api/products/@scarce", "/api/home"):
        yield row(f"an ETag: {path}", "GET", path, 200, caller="", keep={"tag": "header etag"})
        yield row(f"what is known already: {path}", "GET", path, 304, "If-None-Match: @tag", caller="")
        several = 'If-None-Match: "x", @tag'
        yield row(f"HEAD of what is known already: {path}", "HEAD", path, 304, several, caller="")
        yield row(f"what has changed: {path}", "GET", path, 200, 'If-None-Match: W/"x"', caller="")


def writing() -> Iterator[Row]:
    draft = {"sku": "S-product", "name": "Pen", "category": "desk", "price_cents": 1}
    yield row("an article number that is taken", "POST", "/products", 409, JSON, body=json.dumps(draft))
    yield row("the same at the gateway", "POST", "/api/products", 409, JSON, body=json.dumps(draft))
    yield row("an ETag for an edit", "GET", "/products/@scarce", 200, keep={"read": "header etag"})
    for what, status in (("an edit of what was read", 200), ("a second edit of it", 412)):
        yield row(what, "PATCH", "/products/@scarce", status, JSON, "If-Match: @read", body='{"name":"Scarce é"}')
    yield row("an edit with no ETag", "PATCH", "/products/@scarce", 428, JSON, body='{"name":"x"}')
    yield row("an edit with a broken ETag", "PATCH", "/products/@scarce", 400, JSON, "If-Match: x", body='{"name":"x"}')
    yield from ordering()
    yield from limits()
    yield from sheets()
    yield from visiting()


def ordering() -> Iterator[Row]:
    for path, buyer in {"/orders": "buyer", "/api/orders": "regular"}.items():
        key = KEY.format("again" + path)
        one = row(f"an order to be repeated: {path}", "POST", path, 201, JSON, key, body=LINES, caller=buyer)
        yield replace(one, keep={"repeated": "id"})
        yield replace(one, what=f"the order again: {path}")
        more = LINES.replace('"qty":1', '"qty":2')
        yield row(f"another order under its key: {path}", "POST", path, 422, JSON, key, body=more, caller=buyer)
        many = '{"lines":[{"product_id":@scarce,"qty":9}]}'
        short = KEY.format("short" + path)
        yield row(f"more than there is: {path}", "POST", path, 409, JSON, short, body=many, caller=buyer)
        yield row(f"more than there is, again: {path}", "POST", path, 409, JSON, short, body=many, caller=buyer)
        price = LINES[:-1] + f',"expected_total_cents":{PRICE + 1}}}'
        changed = KEY.format("price" + path)
        yield row(f"at another price: {path}", "POST", path, 409, JSON, changed, body=price, caller=buyer)
        twice = '{"lines":[{"product_id":@product,"qty":1},{"product_id":@product,"qty":1}]}'
        keys = (KEY.format("one"), KEY.format("two"))
        yield row(f"two keys on one order: {path}", "POST", path, 400, JSON, *keys, body=twice, caller=buyer)
        yield row(f"an order by the staff: {path}", "POST", path, 403, JSON, key, body=LINES)
        yield row(f"somebody else's order: {path}", "GET", f"{path}/{made_up_id('nothing')}", 404, caller=buyer)
        yield row(f"an order that ends: {path}", "POST", f"{path}/@repeated/cancel", 200, caller=buyer)
        yield row(f"it ends once: {path}", "POST", f"{path}/@repeated/cancel", 200, caller=buyer)
        yield row(f"it is not shipped then: {path}", "POST", f"{path}/@repeated/ship", 409)
    stock = "/products/@scarce/stock"
    change = '{"delta":-100,"reason":"lost"}'
    yield row("stock below nothing", "POST", stock, 409, JSON, KEY.format("lost"), body=change)
    yield row("stock below nothing, again", "POST", stock, 409, JSON, KEY.format("lost"), body=change)
    found = '{"delta":2,"reason":"found"}'
    yield row("stock that was found", "POST", stock, 200, JSON, KEY.format("found"), body=found)
    yield row("stock that was found, again", "POST", stock, 200, JSON, KEY.format("found"), body=found)


def limits() -> Iterator[Row]:
    key = KEY.format("k")
    yield row("a body over 64 KiB", "POST", "/orders", 413, JSON, key, body="[" + " " * 65_536, caller="customer")
    yield row("a target over 4 KiB", "GET", "/products?q=" + "a" * 4_096, 414, caller="")
    yield row("65 headers", "GET", "/products", 431, *(f"X-{number}: x" for number in range(65)), caller="")
    yield row("headers over 16 KiB", "GET", "/products", 431, f"X-A: {'a' * 9000}", f"X-B: {'b' * 9000}", caller="")
    yield row("a body that is not UTF-8", "POST", "/orders", 400, JSON, key, body=b'{"a":"\xff"}', caller="buyer")
    yield row("a key twice in an object", "POST", "/products", 400, JSON, body='{"sku":"a","sku":"b"}')
    yield row("half of a surrogate pair", "PUT", "/products/categories/desk", 422, JSON, body='{"name":"\\ud800"}')
    utf8, name = JSON + "; charset=utf-8", '{"name":"Dësk"}'
    yield row("a media type with parameters", "PUT", "/products/categories/desk", 204, utf8, body=name)
    yield row("an empty body", "POST", "/products", REFUSAL, JSON)


def sheets() -> Iterator[Row]:
    csv, heading = "Content-Type: text/csv", "sku,name,category,price_cents,description\r\n"
    lines = "".join(f'B-{n},"Bulk, ""{n}"" é",desk,{n},{"x" * 2000}\r\n' for n in range(100))
    wrong = heading + "B-1,,desk,-1,\r\n,,,,\r\n"
    for path in ("/products", "/api/products"):
        yield row(f"a sheet of 200 KB: {path}", "POST", f"{path}/import", 200, csv, body="\ufeff" + heading + lines)
        yield row(f"a sheet of mistakes: {path}", "POST", f"{path}/import?dry_run=true", 422, csv, body=wrong)
        yield row(f"a sheet that is not UTF-8: {path}", "POST", f"{path}/import", REFUSAL, csv, body=b"sku\n\xff\xfe")
        yield row(f"everything as a sheet: {path}", "GET", f"{path}/export", 200)
        yield row(f"a page of 200 KB: {path}", "GET", f"{path}?q=bulk&limit=100", 200, caller="")
    long = heading + "".join(f"C-{n},Long,desk,1,{'x' * 4000}\n" for n in range(280))
    yield row("a request over 1 MB", "POST", "/products/import?dry_run=true", 200, csv, body=long)


def visiting() -> Iterator[Row]:
    address = "CloudFront-Viewer-Address: 203.0.113.7:40000"
    given: dict[str, str] = {"token1": "token", "guest1": "customer_id"}
    yield row("a guest", "POST", "/api/sessions", 201, address, caller="", keep=given)
    yield row("what the guest has bought", "GET", "/orders", 200, "Authorization: Bearer @token1", caller="")
    yield row("too many guests", "POST", "/api/sessions", 429, address, caller="")


SEEN = (
    "/mirror/seen/a%2Fb%20c%C3%A9/100%25",
    "/mirror/seen//a//b/",
    "/mirror/seen/a+b;c=d,e@:f!$&'()*",
    "/mirror/seen/%F0%9F%9B%92?%F0%9F%9B%92=%E2%82%AC",
    "/mirror/seen?a+b=c+d&e%20f=%2B&g=",
    "/mirror/seen?a=b%26c&d%3De=f",
    "/mirror/seen?path=/a/b?c=d",
    "/mirror/seen/%FF?x=%FF",
)


def mirrored() -> Iterator[Row]:
    yield from look("seen", SEEN, range(200, 201))
    yield row("repeated keys are seen", "GET", "/mirror/seen?a=1&a=2&a=1&b=", 200, caller="")
    yield row("a repeated header is seen", "GET", "/mirror/seen", 200, "X-Note: a", "X-Note: b", "x-note: c", caller="")
    odd = ("X-Note: " + "é🛒".encode().decode("latin-1"), "X-Empty:", 'X-Quoted: a, "b\\"')
    yield row("odd headers are seen", "GET", "/mirror/seen", 200, *odd, caller="")
    yield row("cookies are seen", "GET", "/mirror/seen", 200, 'Cookie: a=1; b="2 3"; c=%20', caller="")
    yield row("another host is seen", "GET", "/mirror/seen", 200, "Host: [::1]:8080", caller="")
    yield row("forwarding is added to", "GET", "/mirror/seen", 200, "X-Forwarded-For: 10.0.0.1, 10.0.0.2", caller="")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        kind = "Content-Type: application/octet-stream"
        yield row(f"{method} of every byte", method, "/mirror/seen", 200, kind, body=bytes(range(256)), caller="")
    for kind, body in BODIES.items():
        yield row(f"a body of {kind}", "POST", "/mirror/seen", 200, f"Content-Type: {kind}", body=body, caller="")
    yield row("a body of no kind", "POST", "/mirror/seen", 200, body=b"\x00\xffabc", caller="")
    yield row("HEAD of what was seen", "HEAD", "/mirror/seen/x", 200, caller="")
    yield row("OPTIONS of what was seen", "OPTIONS", "/mirror/seen/x", 200, "Origin: https://other.example", caller="")
    yield from look("an answer of its own", ANSWERS, range(200, 400))
    yield row("a mistake of ours", "GET", "/mirror/failing", 500, caller="")
    yield row("an answer of 700 KB", "GET", "/mirror/large/700000", 200, caller="")
    yield row("an answer over 1 MB", "GET", "/mirror/large/1100000", 200, caller="")


BODIES: dict[str, str | bytes] = {
    "multipart/form-data; boundary=xyz": b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n\r\n'
    + bytes(range(256))
    + b"\r\n--xyz--\r\n",
    "application/x-www-form-urlencoded": "a=1&b=%C3%A9+x",
    "application/json": '{"a":"é🛒\\u0000"}',
    "text/plain; charset=iso-8859-1": "é".encode("latin-1"),
}
ANSWERS: Sequence[str] = (
    "/mirror/cookies",
    "/mirror/bytes",
    "/mirror/stream",
    "/mirror/away",
    "/mirror/nothing",
    *(f"/mirror/text/{kind}" for kind in ("latin", "wrong", "nothing", "null", "plain", "untyped")),
)
