"""What the command writes."""

import argparse
import hashlib
import json
from pathlib import Path

import pytest

from cfn.environments import ENVIRONMENTS
from cfn.stacks import Stack, table
from scripts import synth
from scripts.terminal import Problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    parser = argparse.ArgumentParser()
    synth.arguments(parser)
    assert synth.run(parser.parse_args(["--env", "prod", "--out", str(tmp_path), "--version", "v7"])) == 0
    return tmp_path / "prod"


def test_the_manifest_says_what_to_deploy_in_which_order(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["environment"], manifest["region"], manifest["version"]) == ("prod", "us-east-1", "v7")
    assert [entry["name"] for entry in manifest["stacks"]][:3] == [
        "tandem-prod-bootstrap",
        "tandem-prod-network",
        "tandem-prod-data",
    ]
    for entry in manifest["stacks"]:
        body = (folder / entry["template"]).read_bytes()
        assert entry["bytes"] == len(body) < 51_200
        assert entry["sha256"] == hashlib.sha256(body).hexdigest()
        assert entry["termination_protection"] is entry["stateful"]
    written = {path.name for path in folder.iterdir()}
    named = {entry[what] for entry in manifest["stacks"] for what in ("template", "parameters")}
    assert written == named | {"manifest.json"}


def test_parameters_are_written_as_cloudformation_takes_them(folder: Path) -> None:
    assert json.loads((folder / "product.parameters.json").read_text()) == {
        "FargateWeight": "100",
        "LambdaWeight": "0",
        "Version": "v7",
    }


def test_templates_are_minified(folder: Path) -> None:
    body = (folder / "data.json").read_text()
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))


def test_what_an_earlier_run_left_goes(folder: Path) -> None:
    (folder / "old.json").write_text("{}")
    synth.write(ENVIRONMENTS["prod"], [], folder)
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]


def test_a_template_that_is_too_big_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    row = table(ENVIRONMENTS["dev"])[0]
    big = Stack(row=row, name="tandem-dev-big", body="x" * 51_200, parameters={}, capabilities=())
    with pytest.raises(Problem, match="tandem-dev-big has 51200 bytes"):
        synth.write(ENVIRONMENTS["dev"], [big], tmp_path / "dev")
    assert not (tmp_path / "dev").exists()
