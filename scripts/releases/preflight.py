"""What is wrong with a release before anything has been touched."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from cfn.doctor.examine import examine
from cfn.doctor.expectations import ENVIRONMENTS, Expectations
from cfn.doctor.graph import Stack as Template
from cfn.environments import Environment
from cfn.stacks import LIMIT, Stack
from cfn.values import Site
from scripts.places import ROOT
from scripts.releases.asked import WEIGHTS
from scripts.releases.expansion import breaking

SQL = "services/*/sql"
EXAMPLE = Site()


def problems(
    environment: Environment,
    stacks: Sequence[Stack],
    *,
    expectations: Expectations | None = None,
    root: Path = ROOT,
) -> Iterator[str]:
    """A sentence for each, none when all is well."""
    yield from _placeholders(environment)
    for stack in stacks:
        if stack.size >= LIMIT:
            yield f"The stack {stack.name} has {stack.size} bytes; CloudFormation takes less than {LIMIT}."
    templates = [Template(one.name, json.loads(one.body), _settings(one), environment.region) for one in stacks]
    for finding in examine(templates, expectations or ENVIRONMENTS[environment.name]):
        place = "/".join(part for part in (finding.stack, finding.resource) if part)
        yield f"{finding.rule} {place}: {finding.wrong}; {finding.mend}."
    for folder in sorted(root.glob(SQL)):
        yield from breaking(folder)


def _settings(stack: Stack) -> dict[str, str]:
    """Without the weights of the moment: a failover is nobody's mistake."""
    return {name: value for name, value in stack.parameters.items() if name not in WEIGHTS}


def _placeholders(environment: Environment) -> Iterator[str]:
    """The values that only stand in the table so that it is whole."""
    site = environment.site
    values = {"domain": site.domain, "certificate": site.certificate, "zone": site.zone, "repository": site.repository}
    left = [name for name, value in values.items() if value and value == getattr(EXAMPLE, name)]
    left += ["email"] * (site.emails == EXAMPLE.emails)
    if left:
        yield (
            f"{environment.name} still has the example's {', '.join(left)}: write yours into cfn/environments.py, or"
            " give them as options."
        )
