"""Undamaged templates of every environment pass, quickly, and the doctor needs nothing that renders them."""

import ast
import time
from dataclasses import replace
from pathlib import Path

import pytest

import cfn.doctor
from cfn.doctor.examine import examine
from cfn.doctor.expectations import ENVIRONMENTS
from tests.cfn.doctor.deployments import stacks_of
from tests.cfn.rendered import Rendered


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_templates_pass(name: str, deployments: dict[str, Rendered]) -> None:
    assert examine(stacks_of(deployments[name]), ENVIRONMENTS[name]) == []


def test_a_shop_without_a_domain_passes(nameless: Rendered) -> None:
    assert examine(stacks_of(nameless), replace(ENVIRONMENTS["lean"], environment="nameless")) == []


def test_templates_of_one_environment_do_not_pass_for_another(deployments: dict[str, Rendered]) -> None:
    for name, expectations in ENVIRONMENTS.items():
        for other in set(ENVIRONMENTS) - {name}:
            assert examine(stacks_of(deployments[other]), expectations)


def test_one_look_takes_a_fraction_of_a_second_of_the_processor(prod: Rendered) -> None:
    stacks = stacks_of(prod)
    examine(stacks, ENVIRONMENTS["prod"])
    best = []
    for _ in range(3):
        began = time.process_time()
        examine(stacks, ENVIRONMENTS["prod"])
        best.append(time.process_time() - began)
    assert min(best) < 0.3  # a tenth of that on a quiet machine


def test_the_doctor_imports_nothing_but_itself_and_the_standard_library() -> None:
    folder = Path(cfn.doctor.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.startswith("cfn.doctor") or not name.startswith(("cfn", "troposphere", "awacs")), path
