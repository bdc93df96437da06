"""A plan for a person at a terminal, and for a pull request."""

import json
from collections.abc import Iterator, Sequence

from cfn.costs.changes import changes
from cfn.costs.estimate import Estimate, estimate
from cfn.costs.report import changed
from cfn.costs.table import Unpriced
from cfn.costs.usage import usage
from cfn.doctor.graph import Stack as Template
from scripts.releases.differences import Difference
from scripts.releases.release import Plan


def lines(plan: Plan) -> Iterator[str]:
    for one in plan.differences:
        yield f"{one.stack.name}: {_said(one)}"
        if not one.new:
            yield from (f"  {change}" for change in one.changes)
            yield from (f"  {name}: {before} → {after}" for name, (before, after) in one.parameters.items())


def _said(one: Difference) -> str:
    if one.nothing:
        return "as it should be"
    if one.new:
        return f"new, {len(one.changes)} resources"
    return f"{len(one.changes)} resource(s) change" if one.changes else "changes, no resource"


def outputs(plan: Plan) -> Iterator[str]:
    """What people need to know, and no other stack reads."""
    for live in plan.live.values():
        if live is None:
            continue
        exported = {name for name, one in live.template.get("Outputs", {}).items() if "Export" in one}
        yield from (f"{name:<16} {value}" for name, value in live.outputs.items() if name not in exported)


def markdown(plan: Plan, refusals: Sequence[str]) -> str:
    """Names of resources and properties, and parameters; values of properties stay in the templates."""
    return "\n".join([*_head(plan, refusals), *_stacks(plan), "", *_costs(plan)]) + "\n"


def _head(plan: Plan, refusals: Sequence[str]) -> Iterator[str]:
    moved = sum(not one.nothing for one in plan.differences)
    yield f"### `{plan.asked.environment.name}`: {moved} of {len(plan.differences)} stacks change"
    yield ""
    for sentence in refusals:
        yield f"> **Refused.** {sentence}"
        yield ""


def _stacks(plan: Plan) -> Iterator[str]:
    for one in plan.differences:
        if one.nothing:
            continue
        yield f"**{one.stack.name}** ({one.stack.row.purpose}): {_said(one)}"
        yield ""
        yield "```diff"
        for change in one.changes:
            yield f"{change}{'  ← cannot be made again' if change.endangers else ''}"
        yield from (f"~ {name}: {before or 'unset'} → {after}" for name, (before, after) in one.parameters.items())
        yield "```"
        yield ""


def _costs(plan: Plan) -> Iterator[str]:
    try:
        before, after = _estimates(plan)
    except Unpriced as error:
        yield f"The cost is unknown: {error}"
        return
    if before is None:
        yield f"**Cost**: ${after.total:,.2f} a month, where there was nothing"
        return
    yield "**Cost**"
    yield ""
    yield "```"
    yield from changed(changes(before.lines, after.lines), before, after)
    yield "```"


def _estimates(plan: Plan) -> tuple[Estimate | None, Estimate]:
    environment = plan.asked.environment
    used = usage(environment.name, {})
    after = [Template(one.name, json.loads(one.body), one.parameters, environment.region) for one in plan.stacks]
    before = [
        Template(one.name, one.template, one.parameters, environment.region)
        for one in plan.live.values()
        if one is not None and one.template
    ]
    known = estimate(environment.name, before, used) if before else None
    return known, estimate(environment.name, after, used)
