"""What can go wrong, as facts. Raised where the fact is known; `web` turns them into RFC 9457 answers once.

DomainError
├── InvalidRequest        400   the request cannot be read
├── Unauthenticated       401   no valid credential
├── Forbidden             403   a valid credential without the role
├── NotFound              404   absent, or somebody else's
├── MethodNotAllowed      405   the path exists, this method on it does not
├── RequestTimeout        408   the body stopped coming
├── Conflict              409   refused by the present state
├── PreconditionFailed    412   If-Match names another version
├── PayloadTooLarge       413   the body is over the limit
├── UriTooLong            414   the target is over the limit
├── UnsupportedMediaType  415   the body is not what this path takes
├── Invalid               422   well-formed and impossible
├── PreconditionRequired  428   If-Match is missing
├── TooManyRequests       429   over a rate limit
├── HeadersTooLarge       431   too many headers, or too long
└── Unavailable           503   not now; asking again is right
    ├── Contention              rolled back because of another transaction; nothing happened
    └── OutcomeUnknown          the commit's answer was lost; read again by key
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class DomainError(Exception):
    """A fact that ends a request, with the status, stable code and title that the client sees.

    `detail` and `members` are shown to the client: they never hold what the client sent.
    `retry_after` is in seconds.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"

    def __init__(self, detail: str = "", *, retry_after: int | None = None, **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.retry_after = retry_after
        self.members: Mapping[str, Any] = members


class InvalidRequest(DomainError):
    status = 400
    code = "malformed-request"
    title = "The request could not be read"


class Unauthenticated(DomainError):
    status = 401
    code = "unauthenticated"
    title = "A valid credential is required"


class Forbidden(DomainError):
    status = 403
    code = "forbidden"
    title = "This credential does not allow it"


class NotFound(DomainError):
    status = 404
    code = "not-found"
    title = "There is no such thing here"


class MethodNotAllowed(DomainError):
    status = 405
    code = "method-not-allowed"
    title = "This path does not take this method"


class RequestTimeout(DomainError):
    status = 408
    code = "request-timeout"
    title = "The body stopped coming"


class Conflict(DomainError):
    status = 409
    code = "conflict"
    title = "The present state does not allow it"


class PreconditionFailed(DomainError):
    status = 412
    code = "precondition-failed"
    title = "It has changed since you read it"


class PayloadTooLarge(DomainError):
    status = 413
    code = "payload-too-large"
    title = "The body is too large"


class UriTooLong(DomainError):
    status = 414
    code = "uri-too-long"
    title = "The address is too long"


class UnsupportedMediaType(DomainError):
    status = 415
    code = "unsupported-media-type"
    title = "The body is not of a type this path takes"


class Invalid(DomainError):
    """`errors` names each field in dotted form (`lines.0.qty`) with a message."""

    status = 422
    code = "validation"
    title = "The request is well-formed and cannot be carried out"

    def __init__(self, detail: str = "", *, errors: Sequence[Mapping[str, str]] = (), **members: Any) -> None:
        if errors:
            members["errors"] = list(errors)
        super().__init__(detail, **members)


class PreconditionRequired(DomainError):
    status = 428
    code = "precondition-required"
    title = "Say which version you mean with If-Match"


class TooManyRequests(DomainError):
    status = 429
    code = "too-many-requests"
    title = "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int = 1, **members: Any) -> None:
        super().__init__(detail, retry_after=retry_after, **members)


class HeadersTooLarge(DomainError):
    status = 431
    code = "headers-too-large"
    title = "The headers are too many or too long"


class Unavailable(DomainError):
    status = 503
    code = "unavailable"
    title = "Not available at this moment"

    def __init__(self, detail: str = "", *, retry_after: int = 1, **members: Any) -> None:
        super().__init__(detail, retry_after=retry_after, **members)


class Contention(Unavailable):
    """Another transaction was in the way. Nothing happened, so the work may be run again."""


class OutcomeUnknown(Unavailable):
    """The answer to COMMIT was lost. Never report it as failure: read again by key."""
