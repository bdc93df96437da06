"""Schemathesis against one running service: what it is told, what it may do with valid requests, what it reported."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

import requests
import schemathesis
from hypothesis import strategies as st
from requests.auth import AuthBase
from schemathesis import AuthContext, Case, HookContext, Response
from schemathesis.config import HealthCheck
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.schemas import BaseSchema

from tests.services.whole_shop import admin_token, signature

AnyCase = Case[Any]
DOCUMENTS = {"product": "/products/openapi.json", "order": "/orders/openapi.json", "frontend": "/api/openapi.json"}

# Every one of these says no, with the status that its RFC has for the case; Schemathesis' own lists leave them out.
NO = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "414", "415", "422", "428", "429", "431"]

# Refusals of a well-formed request that a schema cannot express, so Schemathesis takes them for broken promises.
EXCUSED = {
    "precondition-failed": "If-Match names a version, and the one drawn is not the present one",
    "key-reuse": "the Idempotency-Key drawn was used with another body before",
    "unknown-product": "the product drawn does not exist, or is archived",
    "bad-rows": "a cell of the sheet is wrong, which a media type cannot say",
}
EXCUSED_FIELDS = {
    "cursor": "a cursor is sealed with its query: no text that somebody makes up is one",
    "lines": "each product stands in one line, and JSON Schema has no uniqueness by one member",
}


# What stays of a product that is archived: its picture stands in orders, and its ledger has no end.
OUTLIVE = {"/products/{product_id}/image.svg", "/products/{product_id}/stock"}


@dataclass(frozen=True, slots=True)
class Seeds:
    """What exists. `for_sale` is never edited or archived by a request; `products` may be."""

    customer: str
    for_sale: Sequence[int]
    products: Sequence[int]
    orders: Sequence[str]
    reservations: Sequence[str]


@dataclass(slots=True)
class Report:
    fuzzed: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, event: events.ScenarioFinished) -> None:
        recorder = event.recorder
        for identifier, interaction in recorder.interactions.items():
            label = recorder.cases[identifier].value.operation.label
            self.fuzzed[label] += event.phase.value == "fuzzing"
            if interaction.response is not None:
                self.statuses[label][interaction.response.status_code] += 1
        for identifier, checks in recorder.checks.items():
            for check in checks:
                if check.failure_info is not None:
                    case = recorder.cases[identifier].value
                    self._blame(case, check.name, check.failure_info.failure, recorder.find_response(case_id=case.id))

    @property
    def accepted(self) -> set[str]:
        """The operations that have succeeded."""
        return {label for label, statuses in self.statuses.items() if min(statuses) < 400}

    def _blame(self, case: AnyCase, check: str, failure: Failure, response: Response | None) -> None:
        answer = f"{response.status_code} {response.content[:400]!r}" if response is not None else "no answer"
        text = f"{failure.title}: {failure.message}\n{case.as_curl_command()[:1500]}\n{answer}"
        self.problems.setdefault(f"{case.operation.label}: {check}", text)

    def __str__(self) -> str:
        return "\n\n".join(f"{name}\n{text}" for name, text in self.problems.items())


def run(base_url: str, service: str, seeds: Seeds, *, examples: int, random: bool) -> Report:
    """Every phase (examples, coverage, fuzzing, stateful) with every check, against one service."""
    schema = schemathesis.openapi.from_url(base_url + DOCUMENTS[service])
    # How fast this machine draws examples is no part of a contract.
    schema.config.update(base_url=base_url, continue_on_failure=True, suppress_health_check=[HealthCheck.all])
    schema.config.generation.update(max_examples=examples, deterministic=not random, with_security_parameters=False)
    schema.config.cache.enabled = False  # no run depends on the one before
    # Strategies that learn from answers are not the same twice, and Hypothesis gives up on those that change.
    fuzzing = schema.config.phases.fuzzing
    fuzzing.extra_data_sources.responses = fuzzing.error_feedback.is_enabled = False
    checks = schema.config.checks
    checks.negative_data_rejection.expected_statuses = NO
    checks.missing_required_header.expected_statuses = NO
    checks.positive_data_acceptance.expected_statuses = ["2xx", "3xx", "401", "403", "404", "409"]
    _give_credentials(schema, seeds)
    schema.hook("map_case")(_settler(seeds))
    schema.hook("filter_failure")(_stands)
    report = Report()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            report.add(event)
        elif isinstance(event, events.NonFatalError):
            report.problems[f"{event.label}: error"] = f"{event.info.title}: {event.info.message}"
    return report


def labels(document: Mapping[str, Any]) -> set[str]:
    return {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}


class _Bearer(AuthBase):
    """One of some tokens, always the same for the same address."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = tokens

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._tokens[zlib.crc32((request.url or "").encode()) % len(self._tokens)]
        request.headers["Authorization"] = f"Bearer {token}"
        return request


class _Signature(AuthBase):
    """A signature over what is really sent."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        assert isinstance(body, str | bytes)
        data = body.encode() if isinstance(body, str) else body
        request.headers["Authorization"] = signature(request.method or "", request.path_url, data)
        return request


def _give_credentials(schema: BaseSchema, seeds: Seeds) -> None:
    admin = admin_token()
    for names, credentials in (
        ({"admin"}, _Bearer(admin)),
        ({"session"}, _Bearer(seeds.customer)),
        ({"admin", "session"}, _Bearer(admin, seeds.customer)),
        ({"service"}, _Signature()),
    ):
        schema.auth.set_from_requests(credentials).apply_to(_declaring(names))


def _declaring(names: set[str]) -> Callable[[Any], bool]:
    def declares(context: AuthContext) -> bool:
        security: Iterable[Mapping[str, Any]] = context.operation.definition.raw.get("security", ())
        return {name for alternative in security for name in alternative} == names

    return declares


def _settler(seeds: Seeds) -> Callable[[HookContext, AnyCase], AnyCase]:
    """Point most valid requests at something that is, instead of something that never was."""

    def settle(_: HookContext, case: AnyCase) -> AnyCase:
        number = zlib.crc32(repr((case.path_parameters, case.body)).encode())
        if case.meta is None or not case.meta.generation.mode.is_positive or number % 4 == 0:
            return case
        _settle_path(case, number, seeds)
        if "Idempotency-Key" in (case.headers or {}):
            # The same for the same request: repetitions are replays and others are not.
            case.headers["Idempotency-Key"] = str(uuid5(UUID(int=number), case.operation.label))
        if "If-Match" in (case.headers or {}):
            case.headers["If-Match"] = "*"
        if isinstance(case.body, dict):
            _settle_body(case.body, number, seeds)
        return case

    return settle


def _settle_path(case: AnyCase, number: int, seeds: Seeds) -> None:
    parameters = case.path_parameters or {}
    if "product_id" in parameters:
        parameters["product_id"] = seeds.products[number % len(seeds.products)]
    if "order_id" not in parameters:
        return
    if case.method == "PUT":  # which makes a reservation
        parameters["order_id"] = str(uuid5(UUID(int=number), "reservation"))
    else:
        known = seeds.reservations if "reservations" in case.path else seeds.orders
        parameters["order_id"] = known[number % len(known)]


def _settle_body(body: dict[str, Any], number: int, seeds: Seeds) -> None:
    if "category" in body:
        body["category"] = "desk"
    if "sku" in body:
        body["sku"] = f"S-{number}"
    lines = body.get("lines", [])
    del lines[len(seeds.for_sale) :]
    for line, product_id in zip(lines, seeds.for_sale, strict=False):
        line["product_id"] = product_id
    if "expected_total_cents" in body:
        body["expected_total_cents"] = None


def _stands(_: HookContext, failure: Failure, case: AnyCase, response: Response) -> bool:
    """Whether a failure is one."""
    kinds = schemathesis.openapi.checks
    if isinstance(failure, kinds.UseAfterFree):
        # DELETE takes a product off the shelf. Who may edit it still finds it, as an archived one.
        path = case.path.removeprefix("/api")
        if path in OUTLIVE:
            return False
        return path != "/products/{product_id}" or response.json()["active"] is not False
    if isinstance(failure, kinds.EnsureResourceAvailability):
        # A product may be made archived, and then there is nothing for DELETE to do.
        return case.method != "DELETE"
    if isinstance(failure, kinds.RejectedPositiveData):
        document = response.json()
        fields = {error["field"] for error in document.get("errors", ())}
        code = document["type"].removeprefix("/problems/")
        return not (code in EXCUSED or (code == "validation" and fields and fields <= set(EXCUSED_FIELDS)))
    return True


@st.composite
def _sheets(draw: st.DrawFn) -> bytes:
    """Sheets that can be imported, most of them."""
    skus = draw(st.lists(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._/-]{0,20}\Z"), max_size=5, unique=True))
    names = st.text(st.characters(codec="utf-8", categories=("L", "N", "S")), max_size=20)
    rows = [f"{sku},N{draw(names)},desk,{draw(st.integers(0, 10**8))},{draw(st.integers(0, 9))}" for sku in skus]
    return "\r\n".join(["sku,name,category,price_cents,stock", *rows]).encode()


schemathesis.openapi.media_type("text/csv", _sheets())
