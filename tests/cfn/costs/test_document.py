"""The architecture document's table: seven components and their total, for one task of each service."""

import pytest

from cfn.costs import report
from cfn.costs.estimate import Estimate
from cfn.costs.groups import DOCUMENT_TOTAL, GROUPS, TOLERANCE, apart, in_document
from cfn.costs.table import table
from cfn.environments import ENVIRONMENTS
from scripts.places import ROOT
from tests.cfn.costs.small import priced

DEV = ENVIRONMENTS["dev"]
CLOSE = ("fargate", "balancer", "nat", "cloudwatch", "transfer")
EXPLAINED = ("rds", "ecr")


@pytest.fixture(scope="module")
def dev() -> Estimate:
    return priced(DEV)


def test_the_documents_own_figures_add_up() -> None:
    assert sum(GROUPS[key].document or 0 for key in in_document()) == DOCUMENT_TOTAL == 174
    assert set(in_document()) == {*CLOSE, *EXPLAINED}


@pytest.mark.parametrize("key", CLOSE)
def test_the_line_comes_out_as_in_the_document(dev: Estimate, key: str) -> None:
    assert abs(apart(dev.group(key), GROUPS[key].document or 0)) <= TOLERANCE


@pytest.mark.parametrize("key", EXPLAINED)
def test_a_line_that_does_not_is_explained_where_it_is_printed(dev: Estimate, key: str) -> None:
    assert key in report.off(dev)
    assert GROUPS[key].explanation in "\n".join(report.text(dev))


def test_the_explained_lines_make_up_for_the_total(dev: Estimate) -> None:
    """With the document's figures in their place, the rest is within its tolerance."""
    put_right = dev.documented + sum((GROUPS[key].document or 0) - dev.group(key) for key in EXPLAINED)
    assert abs(apart(put_right, DOCUMENT_TOTAL)) <= TOLERANCE
    assert abs(apart(dev.documented, DOCUMENT_TOTAL)) > TOLERANCE
    assert "- Together: these make $-22.94 of the difference; the other lines $-9.57." in "\n".join(report.text(dev))


def test_the_explanation_of_the_database_says_what_the_table_says() -> None:
    hours, storage = table().hours, 20 * table()["rds.storage.gp3"].usd
    micro, small = (table()[f"rds.db.t4g.{size}"].usd * hours for size in ("micro", "small"))
    text = GROUPS["rds"].explanation
    assert f"(${micro:.2f} + ${storage:.2f})" in text
    assert f"is off, would be ${2 * (micro + storage):.2f}" in text
    assert f"db.t4g.small ${small + storage:.2f}" in text


def test_the_explanation_of_the_images_says_what_the_template_says(dev: Estimate) -> None:
    assert sum(line.item.quantity for line in dev.lines if line.item.group == "ecr") == pytest.approx(3 * 30 * 0.12)
    assert "keeps 30 images" in GROUPS["ecr"].explanation


@pytest.mark.parametrize(
    "key",
    ["cdn", "waf", "ipv4", "secrets", "kms", "alarms", "insights", "flow", "fallback", "zones", "storage", "dns"],
)
def test_what_the_document_leaves_out_is_listed_apart(dev: Estimate, key: str) -> None:
    assert dev.group(key) > 0
    printed = "\n".join(report.text(dev))
    before, after = printed.split("Not in the architecture document's table:")
    assert GROUPS[key].label in after
    assert GROUPS[key].label not in before


def test_a_difference_that_comes_from_what_one_assumes_says_so() -> None:
    printed = "\n".join(report.text(priced(DEV, requests=100)))
    assert "- NAT gateways and data: perhaps because of what you assume (requests)." in printed


def test_only_the_documents_environment_is_compared_with_it() -> None:
    assert "document" not in "\n".join(report.text(priced(ENVIRONMENTS["lean"]))).replace("document's table", "")


def test_the_hobby_shop_costs_less_than_half_of_dev(dev: Estimate) -> None:
    assert priced(ENVIRONMENTS["lean"]).total < dev.total / 2 < priced(ENVIRONMENTS["prod"]).total


def test_allowances_are_shown_and_not_taken_off(dev: Estimate) -> None:
    free = {allowance.price: allowance for allowance in dev.allowances}
    assert free["dashboard"].usd == 3
    assert free["logs.ingestion"].quantity == 5
    assert free["cloudfront.data"].quantity == pytest.approx(110)  # what is used, not the terabyte that is free
    assert dev.total == pytest.approx(sum(line.usd for line in dev.lines))


def test_the_total_is_split_by_how_well_its_prices_are_known() -> None:
    lean = priced(ENVIRONMENTS["lean"])
    (line,) = (line for line in report.text(lean) if "at prices that are" in line)
    confirmed, published, assumed = (float(part.rpartition(" ")[2]) for part in line.split(" (")[0].split(", "))
    assert assumed == pytest.approx(lean.group("fargate"), abs=0.01)  # all on Spot
    assert confirmed == pytest.approx(lean.group("rds"), abs=0.01)
    assert confirmed + published + assumed == pytest.approx(lean.total, abs=0.02)


def test_the_manual_says_what_a_month_costs() -> None:
    manual = " ".join((ROOT / "docs" / "operations.md").read_text().split())
    said = ", ".join(f"${priced(ENVIRONMENTS[name]).total:,.0f} for `{name}`" for name in ("prod", "dev", "lean"))
    assert f"A month costs about {said};" in manual
