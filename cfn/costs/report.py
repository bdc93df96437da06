"""The estimate as text and as data."""

from collections.abc import Iterator, Sequence
from typing import Any

from cfn.costs.changes import Change
from cfn.costs.estimate import Estimate
from cfn.costs.free import FREE
from cfn.costs.groups import DOCUMENT_ENVIRONMENT, DOCUMENT_TOTAL, GROUPS, TOLERANCE, apart, in_document
from cfn.costs.lines import Line
from cfn.costs.table import BASES, table
from cfn.costs.usage import Usage, assumptions

WIDTH = 44


def text(estimate: Estimate, *, lines: bool = False) -> Iterator[str]:
    prices = table()
    compared = estimate.environment == DOCUMENT_ENVIRONMENT
    yield f"{estimate.environment}: US dollars a month, {prices.region}, {prices.hours} h, price table of {prices.date}"
    yield ""
    yield f"  {'':<{WIDTH}}{'ours':>10}" + (f"{'document':>11}{'apart':>8}" if compared else "")
    for key in in_document():
        yield _row(GROUPS[key].label, estimate.group(key), GROUPS[key].document if compared else None)
        yield from _details(estimate, key) if lines else ()
    yield _row("Together", estimate.documented, DOCUMENT_TOTAL if compared else None)
    yield ""
    yield "  Not in the architecture document's table:"
    for key in GROUPS:
        if key not in in_document() and estimate.group(key):
            yield _row(GROUPS[key].label, estimate.group(key), None)
            yield from _details(estimate, key) if lines else ()
    yield _row("Together", estimate.total - estimate.documented, None)
    yield ""
    yield _row("All in all", estimate.total, None)
    free = sum(allowance.usd for allowance in estimate.allowances)
    yield _row("less, in an account with nothing else in it", -free, None)
    yield f"  at prices that are {_known(estimate)} (cfn/costs/prices.toml)"
    if compared:
        yield from _explanations(estimate)


def _known(estimate: Estimate) -> str:
    """How well: the total by the basis of the prices in it."""
    sums = {basis: sum(line.usd for line in estimate.lines if line.price.basis == basis) for basis in BASES}
    return ", ".join(f"{basis} {usd:,.2f}" for basis, usd in sums.items())


def _row(label: str, ours: float, document: float | None) -> str:
    row = f"  {label:<{WIDTH}}{ours:>10,.2f}"
    return row if document is None else f"{row}{document:>11,.0f}{apart(ours, document):>+8.0%}"


def _details(estimate: Estimate, group: str) -> Iterator[str]:
    for line in estimate.lines:
        if line.item.group == group:
            unit = f"{line.item.quantity:,.2f} {line.price.unit} × ${line.price.usd * line.item.times:g}"
            yield f"    {line.usd:>9,.2f}  {line.stack}/{line.resource}: {line.item} ({unit})"


def _explanations(estimate: Estimate) -> Iterator[str]:
    """Where we differ by more than the tolerance, and why; what has no explanation says so."""
    yield ""
    yield f"  Where we are more than {TOLERANCE:.0%} from the document:"
    for key in off(estimate):
        yield f"  - {GROUPS[key].label}: {_explained(estimate, key)}"
    missing = sum(estimate.group(key) - (GROUPS[key].document or 0) for key in off(estimate))
    rest = estimate.documented - DOCUMENT_TOTAL - missing
    if abs(apart(estimate.documented, DOCUMENT_TOTAL)) > TOLERANCE:
        yield f"  - Together: these make ${missing:+.2f} of the difference; the other lines ${rest:+.2f}."


def _explained(estimate: Estimate, key: str) -> str:
    given = ", ".join(sorted(estimate.usage.given))
    unknown = f"perhaps because of what you assume ({given})." if given else "nobody has explained this yet."
    return GROUPS[key].explanation or unknown


def off(estimate: Estimate) -> list[str]:
    """The document's groups that are further away than the tolerance."""
    return [key for key in in_document() if abs(apart(estimate.group(key), GROUPS[key].document or 0)) > TOLERANCE]


def changed(found: Sequence[Change], before: Estimate, after: Estimate) -> Iterator[str]:
    difference = after.total - before.total
    yield f"{after.environment}: ${before.total:,.2f} → ${after.total:,.2f} ({difference:+,.2f} a month)"
    for change in found:
        was, now = _side(change.before), _side(change.after)
        yield f"  {change.difference:>+10,.2f}  {change.stack}/{change.resource}: {change.what} ({was} → {now})"
    if not found:
        yield "  No line changes."


def _side(line: Line | None) -> str:
    if line is None:
        return "none"
    return f"{line.usd:,.2f}, {line.item.detail}" if line.item.detail else f"{line.usd:,.2f}"


def assumed(environment: str, usage: Usage) -> Iterator[str]:
    yield f"{environment}: what is assumed for a month; set one with --assume NAME=VALUE"
    for name, one in assumptions().items():
        mark = "*" if name in usage.given else " "
        yield f" {mark}{name:<24}{usage[name]:>8g} {one.unit:<18}{one.why}"


def data(estimate: Estimate) -> dict[str, Any]:
    compared = estimate.environment == DOCUMENT_ENVIRONMENT
    return {
        "environment": estimate.environment,
        "total_usd": _usd(estimate.total),
        "documented_usd": _usd(estimate.documented),
        "document_usd": DOCUMENT_TOTAL if compared else None,
        "groups": [
            {
                "key": key,
                "label": group.label,
                "usd": _usd(estimate.group(key)),
                "document_usd": group.document if compared else None,
                "explanation": _explained(estimate, key) if compared and key in off(estimate) else None,
            }
            for key, group in GROUPS.items()
            if group.document is not None or estimate.group(key)
        ],
        "lines": [
            {
                "group": line.item.group,
                "stack": line.stack,
                "resource": line.resource,
                "type": line.type,
                "what": line.item.what,
                "detail": line.item.detail,
                "price": line.item.price,
                "quantity": round(line.item.quantity, 6),
                "unit": line.price.unit,
                "unit_usd": line.price.usd * line.item.times,
                "usd": _usd(line.usd),
                "page": line.price.page,
                "basis": line.price.basis,
            }
            for line in estimate.lines
        ],
        "free": [
            {
                "stack": resource.stack,
                "resource": resource.name,
                "type": resource.type,
                "reason": FREE.get(resource.type, "this one is of a kind that is free"),
            }
            for resource in estimate.free
        ],
        "allowances": [
            {"price": one.price, "quantity": round(one.quantity, 6), "unit": one.unit, "usd": _usd(one.usd)}
            for one in estimate.allowances
        ],
        "assumptions": dict(estimate.usage.values),
    }


def change_data(found: Sequence[Change], before: Estimate) -> dict[str, Any]:
    return {
        "before_usd": _usd(before.total),
        "changes": [
            {
                "stack": change.stack,
                "resource": change.resource,
                "what": change.what,
                "before_usd": None if change.before is None else _usd(change.before.usd),
                "after_usd": None if change.after is None else _usd(change.after.usd),
                "before": None if change.before is None else str(change.before.item),
                "after": None if change.after is None else str(change.after.item),
                "difference_usd": _usd(change.difference),
            }
            for change in found
        ],
    }


def _usd(value: float) -> float:
    return round(value, 4)
