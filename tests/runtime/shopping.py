"""A visitor of the pages, with the cookies that a browser would keep: from a product to an order and back out of it."""

from collections.abc import Iterator, Mapping

from tests.runtime.rows import Row

ADDRESS = "CloudFront-Viewer-Address: 203.0.113.9:40000"  # whoever comes through CloudFront comes over https
FORM = "Content-Type: application/x-www-form-urlencoded"
COOKIES = {"form": "@binding", "cart": "@cart", "session": "@session", "staff": "@staff"}


def browsed(
    what: str,
    method: str,
    target: str,
    status: int,
    *cookies: str,
    body: str = "",
    keep: Mapping[str, str] | None = None,
    address: str = ADDRESS,
) -> Row:
    jar = "; ".join(f"__Host-{name}={COOKIES[name]}" for name in cookies)
    return Row(
        what=what,
        method=method,
        target=target,
        statuses=range(status, status + 1),
        headers=(address, *((f"Cookie: {jar}",) if jar else ()), *((FORM,) if body else ())),
        body=body,
        keep=keep or {},
    )


def rows() -> Iterator[Row]:
    token = {"binding": "cookie __Host-form", "token": "field form"}
    yield browsed("a product to look at", "GET", "/item/@product", 200, keep=token)
    adding = "form=@token&do=add&product_id=@product&qty=2"
    yield browsed("into the cart", "POST", "/cart", 303, "form", body=adding, keep={"cart": "cookie __Host-cart"})
    yield browsed("into the cart by a stranger", "POST", "/cart", 403, body=adding)
    yield browsed("into the cart with a field twice", "POST", "/cart", 422, "form", body=adding + "&qty=1")
    yield browsed("the cart", "GET", "/cart", 200, "form", "cart")
    session = {"session": "cookie __Host-session", "offer": "field offer", "token": "field form"}
    yield browsed("the checkout", "GET", "/checkout", 200, "form", "cart", keep=session)
    agreed = "form=@token&offer=@offer"
    bought = {"bought": "header location"}
    jar = ("form", "cart", "session")
    yield browsed("an order by form", "POST", "/checkout", 303, *jar, body=agreed, keep=bought)
    yield browsed("the form sent twice", "POST", "/checkout", 303, *jar, body=agreed)
    yield browsed("what was bought", "GET", "@bought", 200, *jar)
    yield browsed("everything that was bought", "GET", "/my/orders", 200, *jar)
    yield browsed("somebody else looks at it", "GET", "@bought", 404, "form")
    yield browsed("out of it again", "POST", "@bought/cancel", 303, *jar, body="form=@token")
    yield browsed("once more", "POST", "@bought/again", 303, *jar, body="form=@token")
