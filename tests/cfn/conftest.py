"""Each environment rendered once, and one that no installation has: a shop without a domain."""

from dataclasses import replace

import pytest

from cfn.environments import ENVIRONMENTS, Environment
from cfn.values import Site
from tests.cfn.rendered import Rendered, rendered

NAMELESS = replace(
    ENVIRONMENTS["lean"],
    name="nameless",
    site=Site(domain=None, certificate=None, zone=None, emails=("a@example.com",)),
)
ALL: dict[str, Environment] = {**ENVIRONMENTS, NAMELESS.name: NAMELESS}


@pytest.fixture(scope="session")
def deployments() -> dict[str, Rendered]:
    return {name: rendered(environment) for name, environment in ALL.items()}


@pytest.fixture(params=list(ALL))
def deployment(request: pytest.FixtureRequest, deployments: dict[str, Rendered]) -> Rendered:
    """Once for every environment."""
    return deployments[request.param]


@pytest.fixture
def dev(deployments: dict[str, Rendered]) -> Rendered:
    return deployments["dev"]


@pytest.fixture
def prod(deployments: dict[str, Rendered]) -> Rendered:
    return deployments["prod"]


@pytest.fixture
def lean(deployments: dict[str, Rendered]) -> Rendered:
    return deployments["lean"]


@pytest.fixture
def nameless(deployments: dict[str, Rendered]) -> Rendered:
    return deployments["nameless"]
