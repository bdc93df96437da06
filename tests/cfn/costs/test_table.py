"""The figures themselves: complete, dated, and none that nobody uses."""

from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from cfn.costs.table import BASES, Unpriced, table
from cfn.costs.usage import BadAssumption, assumptions, parsed, usage
from cfn.environments import ENVIRONMENTS
from cfn.values import DATABASE_MEMORY

SOURCE = "".join(path.read_text() for path in sorted((Path(__file__).parents[3] / "cfn" / "costs").rglob("*.py")))


@pytest.mark.parametrize("key", table().prices)
def test_a_price_has_a_unit_a_page_and_says_how_well_it_is_known(key: str) -> None:
    price = table()[key]
    assert price.usd > 0
    assert price.free >= 0
    assert price.unit
    assert price.page.lower().startswith(("aws", "amazon", "elastic"))
    assert price.basis in BASES


def test_the_table_is_dated_and_for_the_region_that_can_be_deployed() -> None:
    assert date.fromisoformat(table().date) > date(2026, 1, 1)
    assert {environment.region for environment in ENVIRONMENTS.values()} == {table().region}
    assert table().hours == 730


@pytest.mark.parametrize("instance", DATABASE_MEMORY)
def test_every_database_class_that_may_be_chosen_has_a_price(instance: str) -> None:
    assert table()[f"rds.{instance}"].unit == "hour"


def test_a_class_twice_the_size_costs_about_twice_as_much() -> None:
    ladder = ("db.t4g.micro", "db.t4g.small", "db.t4g.medium", "db.t4g.large")
    figures = [table()[f"rds.{instance}"].usd for instance in ladder]
    for smaller, larger in pairwise(figures):
        assert larger / smaller == pytest.approx(2, rel=0.05)


def test_what_has_no_price_is_named_with_the_place_to_add_it() -> None:
    with pytest.raises(Unpriced, match=r"no price for rds.db.x1; add it to cfn/costs/prices.toml"):
        table()["rds.db.x1"]


@pytest.mark.parametrize("name", assumptions())
def test_an_assumption_has_a_reason_and_is_used(name: str) -> None:
    assert assumptions()[name].unit
    assert assumptions()[name].why
    assert f'usage["{name}"]' in SOURCE, "nothing depends on it"
    assert set(assumptions()[name].by_environment) <= set(ENVIRONMENTS)


def test_an_assumption_given_replaces_the_one_of_the_file() -> None:
    assert usage("prod", {})["requests"] == 50
    assert usage("unheard-of", {})["requests"] == 5
    assert usage("prod", parsed(["requests=7.5"]))["requests"] == 7.5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("requests", "given as NAME=VALUE"),
        ("request=3", "There is no assumption 'request'; did you mean requests?"),
        ("zzz=3", "There is no assumption 'zzz'; --assumptions lists them."),
        ("requests=many", "requests is a number, not 'many'."),
        ("requests=-1", "requests is 0 or more, not -1."),
        ("requests=nan", "requests is 0 or more, not nan."),
        ("requests=inf", "requests is 0 or more, not inf."),
        ("cached_share=1.5", "cached_share is a share from 0 to 1, not 1.5."),
        ("requests_per_connection=0", "every connection carries a request"),
    ],
)
def test_an_assumption_that_cannot_be_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadAssumption) as refused:
        parsed([text])
    assert sentence in str(refused.value)
