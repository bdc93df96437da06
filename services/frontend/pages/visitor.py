"""Who is looking: what a visitor's cookies say, and what they will say after this answer.

Every cookie is HttpOnly and SameSite=Lax, that of the staff Strict; over https it is Secure and its name begins with
`__Host-`, so that no neighbouring host can set it. The visitor can read none of them from a script and change none of
them unnoticed.
"""

import json
import secrets
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request, Response

from services.chassis.auth import SESSION_SECONDS, Sessions
from services.chassis.errors import Forbidden, Unauthenticated
from services.chassis.limits import TokenBuckets
from services.chassis.seals import Seals
from services.frontend.model.cart import Cart
from services.frontend.visitors import visitor_address

CART_SECONDS = 60 * 24 * 3600
FORM_SECONDS = 7 * 24 * 3600
NOTICE_SECONDS = 300
STAFF_SECONDS = 8 * 3600
_KEPT = ("session", "cart", "staff")
_STRICT = {"staff"}
_SEEN = "tandem.visitor"


class FormRefused(Forbidden):
    code = "form-refused"
    title = "This form was open for too long, or it is not one of ours"


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence at the top of the next page. `tone` is good, calm or bad; the link is optional."""

    tone: str
    text: str
    href: str = ""
    link: str = ""


class Visitor:
    """Reads cookies when they are asked for; `apply` writes what has changed to an answer."""

    def __init__(self, request: Request) -> None:
        self.secure = over_https(request)
        self._keys = request.app.state.settings.session_keys
        self._sessions: Sessions = request.app.state.sessions
        self._prefix = "__Host-" if self.secure else ""
        self._given = request.cookies
        self._set: dict[str, tuple[str, int]] = {}
        self._cart: Cart | None = None
        self._token: str | None = None

    # --- the session ---

    @property
    def session(self) -> str:
        """The token of the session, empty without a valid one; renewed on the way when half its time is over."""
        if self._token is None:
            self._token = self._read_session()
        return self._token

    @property
    def customer_id(self) -> UUID | None:
        return self._sessions.read(self.session).customer_id if self.session else None

    @property
    def authorization(self) -> str:
        """The credential for the order service. Raises Unauthenticated."""
        if not self.session:
            raise Unauthenticated
        return f"Bearer {self.session}"

    def begin(self, request: Request) -> UUID:
        """The customer, a new one for a visitor without a session. Raises TooManyRequests."""
        if self.customer_id is None:
            rate: TokenBuckets = request.app.state.session_rate
            rate.take(visitor_address(request))
            self._keep_session(self._sessions.issue().token)
        assert self.customer_id is not None  # noqa: S101 - it was issued just now
        return self.customer_id

    def forget_session(self) -> None:
        """The order service does not take it."""
        self._token = ""
        self._set["session"] = ("", 0)

    def _read_session(self) -> str:
        token = self._cookie("session")
        try:
            later = self._sessions.renewed(token) if token else None
        except Unauthenticated:
            return ""
        if later is None:
            return token
        self._keep_session(later.token)
        return later.token

    def _keep_session(self, token: str) -> None:
        self._token = token
        self._set["session"] = (token, SESSION_SECONDS)

    # --- the cart ---

    @property
    def cart(self) -> Cart:
        """What they mean to buy. One that was filled over http is merged into that of https."""
        if self._cart is None:
            texts = [
                self._cart_seals.opened(self._given.get(name, ""))
                for name in dict.fromkeys((self._name("cart"), "cart"))
            ]
            carts = [Cart.of_text(text) for text in texts if text is not None]
            self._cart = carts[0] if carts else Cart.empty()
            for other in carts[1:]:
                self.keep_cart(self._cart.merged(other))
        return self._cart

    def keep_cart(self, cart: Cart) -> None:
        self._cart = cart
        self._set["cart"] = (self._cart_seals.seal(cart.text()), CART_SECONDS) if cart.lines else ("", 0)

    @property
    def _cart_seals(self) -> Seals:
        return Seals(self._keys, "cart", CART_SECONDS)

    # --- the staff ---

    @property
    def staff_key(self) -> str:
        """The admin key that was typed at the door of the back office; empty without one."""
        return self._staff_seals.opened(self._cookie("staff")) or ""

    def keep_staff_key(self, key: str) -> None:
        """For a working day. The services behind ask for the key itself with each call, so the cookie holds it."""
        self._set["staff"] = (self._staff_seals.seal(key), STAFF_SECONDS)

    def forget_staff_key(self) -> None:
        self._set["staff"] = ("", 0)

    @property
    def _staff_seals(self) -> Seals:
        return Seals(self._keys, "staff", STAFF_SECONDS)

    # --- forms and notices ---

    def form_token(self) -> str:
        """What a form carries to prove that it is ours and this visitor's: another text each time."""
        binding = self._cookie("form")
        if len(binding) < 20:
            binding = secrets.token_urlsafe(18)
            self._given = {**self._given, self._name("form"): binding}
            self._set["form"] = (binding, FORM_SECONDS)
        return self._form_seals.seal(f"{binding} {secrets.token_urlsafe(6)}")

    def check_form(self, request: Request, token: str) -> None:
        """Raises FormRefused. Browsers also say where a form stood (Fetch Metadata): from elsewhere it is refused."""
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise FormRefused
        binding, _, _ = (self._form_seals.opened(token) or "").partition(" ")
        if not binding or not secrets.compare_digest(binding.encode(), self._cookie("form").encode()):
            raise FormRefused

    @property
    def _form_seals(self) -> Seals:
        return Seals(self._keys, "form", FORM_SECONDS)

    def say(self, tone: str, text: str, *, href: str = "", link: str = "") -> None:
        """Have the next page show a notice."""
        sealed = Seals(self._keys, "notice", NOTICE_SECONDS).seal(json.dumps([tone, text, href, link]))
        self._set["notice"] = (sealed, NOTICE_SECONDS)

    def take_notice(self) -> Notice | None:
        """The notice for this page; it is gone afterwards."""
        sealed = self._cookie("notice")
        if not sealed:
            return None
        self._set.setdefault("notice", ("", 0))
        text = Seals(self._keys, "notice", NOTICE_SECONDS).opened(sealed)
        return Notice(*json.loads(text)) if text else None

    # --- the cookies themselves ---

    @property
    def known(self) -> bool:
        """Whether an answer to this visitor is theirs alone."""
        return bool(self._set) or any(self._cookie(name) for name in (*_KEPT, "notice"))

    def apply(self, response: Response) -> None:
        for name, (value, seconds) in self._set.items():
            response.set_cookie(
                self._name(name),
                value,
                max_age=seconds,
                path="/",
                secure=self.secure,
                httponly=True,
                samesite="strict" if name in _STRICT else "lax",
            )

    def _cookie(self, name: str) -> str:
        return self._given.get(self._name(name), "")

    def _name(self, name: str) -> str:
        return self._prefix + name


def over_https(request: Request) -> bool:
    """Whether the visitor came over https: to the load balancer, or to CloudFront, which takes nothing else."""
    proto = request.headers.get("x-forwarded-proto", request.scope["scheme"])
    return proto == "https" or "cloudfront-viewer-address" in request.headers


def visitor(request: Request) -> Visitor:
    """The visitor of this request, the same one however often it is asked."""
    seen = request.scope.get(_SEEN)
    if not isinstance(seen, Visitor):
        seen = request.scope[_SEEN] = Visitor(request)
    return seen
