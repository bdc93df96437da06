"""The doctor can speak: small damage to the rendered templates, hundreds of kinds of it, does not pass."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import pytest

from cfn.doctor.expectations import ENVIRONMENTS, Expectations
from cfn.doctor.graph import Stack, World
from cfn.doctor.rules import RULES
from tests.cfn.doctor.defects import DEFECTS, Templates
from tests.cfn.doctor.deployments import stacks_of
from tests.cfn.doctor.linter import complains
from tests.cfn.doctor.mutants import Mutant, generate
from tests.cfn.rendered import Rendered

SURVIVORS = Path(__file__).with_name("survivors.toml")
LEAST = 0.95
# What no small change of one property brings about; each has a test of its own in test_rules.py.
BY_HAND = {
    "TND-CIC-03",
    "TND-DAT-12",
    "TND-DAT-13",
    "TND-FBK-04",
    "TND-FBK-05",
    "TND-IAM-09",
    "TND-NET-11",
    "TND-OBS-14",
    "TND-STD-02",
    "TND-STD-03",
    "TND-STK-04",
    "TND-STK-06",
}


@dataclass(frozen=True, slots=True)
class Deployed:
    stacks: list[Stack]
    expectations: Expectations

    def world(self, stacks: list[Stack], before: World | None = None) -> World:
        return World(stacks, self.expectations, before)


@dataclass(slots=True)
class Outcome:
    """`mutants` are those of prod, and of lean those that prod has not."""

    mutants: list[Mutant] = field(default_factory=list)
    survivors: list[Mutant] = field(default_factory=list)
    silent: set[str] = field(default_factory=lambda: set(RULES) - BY_HAND)  # rules that nothing has made speak


@pytest.fixture(scope="module")
def prod_and_lean(deployments: dict[str, Rendered]) -> tuple[Deployed, Deployed]:
    prod, lean = (Deployed(stacks_of(deployments[name]), ENVIRONMENTS[name]) for name in ("prod", "lean"))
    return prod, lean


@pytest.fixture(scope="module")
def outcome(prod_and_lean: tuple[Deployed, Deployed]) -> Outcome:
    prod, lean = prod_and_lean
    found = Outcome()
    for damage, _ in DEFECTS.values():
        damaged = Templates(prod.stacks)
        damage(damaged)
        found.silent -= speaking(prod.world(damaged.stacks), found.silent)
    mutants = generate(prod.stacks)
    kinds = {mutant.kind for mutant in mutants}
    show(prod, mutants, found)
    show(lean, [mutant for mutant in generate(lean.stacks) if mutant.kind not in kinds], found)
    return found


def show(deployed: Deployed, mutants: list[Mutant], found: Outcome) -> None:
    """Each mutant is shown to the rules that have not spoken yet, and then to the others until one does; first to those
    that spoke last. Mixed, so that every area has had its turn early."""
    rules = list(RULES)
    whole = deployed.world(deployed.stacks)
    for mutant in sorted(mutants, key=lambda one: crc32(one.kind.encode())):
        found.mutants.append(mutant)
        world = deployed.world(mutant.applied(deployed.stacks), whole)
        spoke = speaking(world, found.silent)
        found.silent -= spoke
        teller = next(iter(spoke), None) or next((rule for rule in rules if speaks(rule, world)), None)
        if teller is None:
            found.survivors.append(mutant)
        else:
            rules.insert(0, rules.pop(rules.index(teller)))


def speaking(world: World, rules: set[str]) -> set[str]:
    return {rule for rule in rules if speaks(rule, world)}


def speaks(rule: str, world: World) -> bool:
    return any(True for _ in RULES[rule].findings(world))


def listed() -> Iterator[str]:
    for entry in tomllib.loads(SURVIVORS.read_text())["survivor"]:
        assert len(entry["reason"]) > 40, f"{entry['kind']} has no reason worth the name"
        yield entry["kind"]


def linted(survivors: list[Mutant], deployed: tuple[Deployed, ...], cache: pytest.Cache) -> list[Mutant]:
    """Those that cfn-lint does not notice either."""
    by_name = {stack.name: stack for one in deployed for stack in one.stacks}
    return [mutant for mutant in survivors if not complains(mutant.mutated(by_name[mutant.stack]), cache)]


def test_the_undamaged_templates_pass(prod_and_lean: tuple[Deployed, Deployed]) -> None:
    for deployed in prod_and_lean:
        assert speaking(deployed.world(deployed.stacks), set(RULES)) == set()


def test_mutants_are_many_and_of_every_sort(outcome: Outcome) -> None:
    sorts = {mutant.kind.split()[0] for mutant in outcome.mutants}
    assert sorts == {"drop", "flip", "number", "partition", "port", "swap", "widen"}
    assert len({mutant.kind for mutant in outcome.mutants}) >= 150


def test_mutants_do_not_survive_unless_a_reason_is_written(
    outcome: Outcome, prod_and_lean: tuple[Deployed, Deployed], request: pytest.FixtureRequest
) -> None:
    assert request.config.cache is not None
    alive = linted(outcome.survivors, prod_and_lean, request.config.cache)
    allowed = set(listed())
    assert [str(mutant) for mutant in alive if mutant.kind not in allowed] == []
    assert allowed - {mutant.kind for mutant in alive} == set(), "listed, and caught after all"
    assert 1 - len(alive) / len(outcome.mutants) >= LEAST


def test_every_rule_can_speak(outcome: Outcome) -> None:
    assert outcome.silent == set()
