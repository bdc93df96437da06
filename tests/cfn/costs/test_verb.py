"""`tandem cost` as people and machines call it."""

import argparse
import hashlib
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cfn.environments import ENVIRONMENTS, Environment
from cfn.stacks import render
from scripts import cost, synth
from scripts.terminal import Problem


def call(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    cost.arguments(parser)
    return cost.run(parser.parse_args(arguments))


def read(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert call(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def write(environment: Environment, folder: Path) -> None:
    synth.write(environment, render(environment), folder / environment.name)


def test_without_environment_all_of_them_are_priced(capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 0
    printed = capsys.readouterr().out
    assert [printed.count(f"{name}: US dollars a month") for name in ENVIRONMENTS] == [1, 1, 1]


def test_lines_show_quantity_unit_and_price(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--env", "dev", "--lines") == 0
    line = "11.68  tandem-dev-data/Database: instance, db.t4g.micro, Single-AZ (730.00 hour × $0.016)"
    printed = capsys.readouterr().out
    assert printed.count(line) == 1
    group = printed[: printed.index(line)].splitlines()[-2]
    assert group.startswith("  RDS PostgreSQL")


def test_a_price_that_is_multiplied_is_shown_multiplied(capsys: pytest.CaptureFixture[str]) -> None:
    """Multi-AZ doubles, Spot takes off."""
    assert call("--env", "prod", "--lines", "--assume", "spot_discount=0.5") == 0
    printed = capsys.readouterr().out
    assert "tandem-prod-data/Database: storage, 100 GB of gp3, Multi-AZ (100.00 GB-month × $0.23)" in printed
    assert "vCPU-hour × $0.02024)" in printed


def test_machines_get_every_line_with_where_its_price_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    answer = read(capsys, "--env", "prod")
    assert answer["prices"] == {"date": "2026-06-30", "region": "us-east-1", "hours": 730}
    (prod,) = answer["environments"]
    assert prod["environment"] == "prod"
    assert sum(line["usd"] for line in prod["lines"]) == pytest.approx(prod["total_usd"], abs=0.01)
    assert sum(group["usd"] for group in prod["groups"]) == pytest.approx(prod["total_usd"], abs=0.01)
    for line in prod["lines"]:
        assert line["quantity"] * line["unit_usd"] == pytest.approx(line["usd"], abs=0.001)
        assert line["page"]
        assert line["basis"] in {"confirmed", "published", "assumed"}
    assert {entry["type"]: entry["reason"] for entry in prod["free"]}["AWS::EC2::VPC"]


def test_the_answer_is_the_same_every_time_and_needs_no_network(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert read(capsys) == read(capsys)


def test_assumptions_are_printed_with_the_ones_given_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--env", "prod", "--assumptions", "--assume", "requests=80") == 0
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith(" *requests ") and " 80 million a month" in line for line in printed)
    assert any(line.startswith("  scale_out ") and " 0.15 share" in line for line in printed)


def test_an_assumption_changes_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    (few,), (many,) = (
        read(capsys, "--env", "dev", "--assume", f"requests={count}")["environments"] for count in (1, 10)
    )
    assert many["total_usd"] > few["total_usd"] + 10
    assert many["assumptions"]["requests"] == 10


def test_unchanged_templates_have_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(ENVIRONMENTS["dev"], tmp_path)
    assert call("--env", "dev", "--diff", str(tmp_path)) == 0
    assert "No line changes." in capsys.readouterr().out


def test_a_difference_is_told_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dev = ENVIRONMENTS["dev"]
    before = replace(dev, database=replace(dev.database, instance="db.t4g.small"), insights="disabled")
    write(before, tmp_path)
    assert call("--env", "dev", "--diff", str(tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "-11.68  tandem-dev-data/Database: instance (23.36, db.t4g.small, Single-AZ → 11.68, db.t4g.micro" in printed
    assert "+17.70  tandem-dev-platform/Cluster: metrics (none → 17.70, standard)" in printed
    (dev_answer,) = read(capsys, "--env", "dev", "--diff", str(tmp_path))["environments"]
    changes = sum(change["difference_usd"] for change in dev_answer["changes"])
    assert changes == pytest.approx(dev_answer["total_usd"] - dev_answer["before_usd"], abs=0.02)
    assert dev_answer["changes"][0]["before_usd"] is None


def test_the_folder_of_one_environment_will_do_if_it_is_the_right_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(ENVIRONMENTS["lean"], tmp_path)
    assert call("--env", "lean", "--diff", str(tmp_path / "lean")) == 0
    assert "No line changes." in capsys.readouterr().out
    with pytest.raises(Problem, match="holds the templates of lean; choose --env lean"):
        call("--env", "dev", "--diff", str(tmp_path / "lean"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--env", "moon"), "There is no environment 'moon'"),
        (("--assume", "reqests=5"), "did you mean requests"),
        (("--env", "dev", "--diff", "nowhere"), "there is no nowhere/dev/manifest.json"),
    ],
)
def test_bad_input_gets_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(Problem) as refused:
        call(*arguments)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_earlier_templates_with_a_type_that_has_no_price_get_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    write(ENVIRONMENTS["dev"], tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    template = folder / manifest["stacks"][0]["template"]
    template.write_text('{"Resources":{"Stream":{"Type":"AWS::Kinesis::Stream"}}}')
    manifest["stacks"] = manifest["stacks"][:1]
    manifest["stacks"][0]["sha256"] = hashlib.sha256(template.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Problem, match="neither a price rule"):
        call("--env", "dev", "--diff", str(tmp_path))
