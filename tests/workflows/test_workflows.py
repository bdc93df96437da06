"""What the workflows may do, whose roles they assume, and that a person could type what they run."""

import argparse
import importlib
import json
import re

import pytest

from cfn.environments import ENVIRONMENTS, Environment
from cfn.stacks import render
from scripts.affected import OF_ALL
from tests.workflows.reading import FOLDER, Job, jobs, workflows

JOBS = jobs()
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
VALUE = re.compile(r"\$\{?\w+(?::\d+:\d+)?\}?")


def each(selected: list[Job]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("job", selected, ids=str)


def test_there_are_the_four() -> None:
    assert set(workflows()) == {"ci", "infra", "deploy", "audit"}


@each(JOBS)
def test_every_action_is_pinned_by_its_commit_and_says_of_which_version(job: Job) -> None:
    lines = (FOLDER / f"{job.workflow}.yml").read_text().splitlines()
    for step in job.steps:
        if action := step.get("uses"):
            assert PINNED.fullmatch(action), action
            assert all(re.search(r"# v\d+\.\d+\.\d+$", line) for line in lines if action in line)


def test_an_action_has_one_pin_in_all_of_them() -> None:
    pins = {step["uses"] for job in JOBS for step in job.steps if "uses" in step}
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


@each(JOBS)
def test_a_checkout_leaves_no_token_behind(job: Job) -> None:
    for step in job.steps:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each(JOBS)
def test_no_job_may_more_than_it_does(job: Job) -> None:
    """Nothing is given to a whole workflow but reading. An identity is for who assumes a role or signs."""
    whole = workflows()[job.workflow]["permissions"]
    assert whole == {} or (job.workflow == "ci" and whole == {"contents": "read"})
    uses = [step.get("uses", "").partition("@")[0] for step in job.steps]
    runs = "\n".join(step.get("run", "") for step in job.steps)
    assert ("id-token" in job.permissions) is bool(job.roles or "actions/attest" in uses)
    assert (job.permissions.get("attestations") == "write") is ("actions/attest" in uses)
    assert (job.permissions.get("attestations") == "read") is ("gh attestation verify" in runs)
    assert (job.permissions.get("pull-requests") == "write") is ("gh pr comment" in runs)
    assert ("actions" in job.permissions) is ("gh run list" in runs)
    assert set(job.permissions) <= {"actions", "attestations", "contents", "id-token", "pull-requests"}
    assert job.permissions.get("contents", "read") == "read"
    assert "timeout-minutes" in job.value


@each([job for job in JOBS if "pull-requests" in job.permissions])
def test_who_writes_to_a_pull_request_runs_nothing_of_it(job: Job) -> None:
    assert not [step for step in job.steps if step.get("uses", "").startswith("actions/checkout@")]
    assert list(job.commands) == []


def test_no_key_is_kept_anywhere() -> None:
    for path in FOLDER.iterdir():
        assert not re.search(r"\bsecrets\s*[.\[]|aws-(?:access-key-id|secret-access-key)", path.read_text()), path.name


# --- the roles of AWS -----------------------------------------------------------------------------------------------


def trusted(chosen: Environment) -> dict[str, str]:
    """What a token has to say after the name of the repository, by the output that gives the role's ARN."""
    (stack,) = [stack for stack in render(chosen) if stack.row.name == "bootstrap"]
    template, found = json.loads(stack.body), {}
    for output, value in template["Outputs"].items():
        role = template["Resources"].get(str(value["Value"].get("Fn::GetAtt", [""])[0]), {})
        trust = role.get("Properties", {}).get("AssumeRolePolicyDocument", {"Statement": [{}]})["Statement"][0]
        for claim, wanted in trust.get("Condition", {}).get("StringEquals", {}).items():
            if claim.endswith(":sub"):
                found[output] = wanted["Fn::Sub"][0].partition("${Repository}:")[2]
    return found


@each([job for job in JOBS if job.roles])
def test_a_role_is_assumed_as_the_template_trusts_it(job: Job) -> None:
    """`deploy` trusts a GitHub environment, `plan` a pull request; the variables are named after the outputs."""
    flow, (role,) = workflows()[job.workflow], set(job.roles)
    if role == "${{ vars.DEPLOY_ROLE_ARN }}":
        assert job.value["environment"] == "${{ inputs.environment || 'dev' }}"
        assert set(flow["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]) == set(ENVIRONMENTS)
        assert "pull_request" not in flow["on"] or "github.event_name != 'pull_request'" in job.value["if"]
    else:
        assert role == "${{ vars[format('PLAN_ROLE_ARN_{0}', matrix.environment)] }}"
        assert set(job.value["strategy"]["matrix"]["environment"]) <= set(ENVIRONMENTS)
        assert "environment" not in job.value, "the claim of the token would name the environment"
        assert job.value["if"].startswith("github.event_name == 'pull_request' && ")
        assert "head.repo.full_name == github.repository" in job.value["if"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_roles_are_those_of_the_stack(name: str) -> None:
    assert trusted(ENVIRONMENTS[name]) == {"DeployRoleArn": f"environment:{name}", "PlanRoleArn": "pull_request"}


def test_an_environment_is_changed_by_one_at_a_time_and_by_nobody_halfway() -> None:
    flows = workflows()
    group = {"group": "deploy-${{ inputs.environment || 'dev' }}", "cancel-in-progress": False}
    assert flows["deploy"]["concurrency"] == flows["infra"]["jobs"]["apply"]["concurrency"] == group


# --- what is run ----------------------------------------------------------------------------------------------------


def test_there_is_something_to_run() -> None:
    verbs = [words[0] for job in JOBS for words in job.commands if words]
    assert {"deploy", "build", "cost", "synth", "doctor", "affected", "audit", "test"} <= set(verbs)


@each([job for job in JOBS if list(job.commands)])
def test_every_verb_is_called_as_its_parser_wants(job: Job) -> None:
    for name, *words in job.commands:
        if name != "--help":
            parsed(name, words)


def parsed(name: str, words: list[str]) -> None:
    verb = importlib.import_module(f"scripts.{name}")
    parser = argparse.ArgumentParser(prog=name, allow_abbrev=False, exit_on_error=False)
    verb.arguments(parser)
    given = [word for word in words if word != "${options[@]}"]
    options, rest = parser.parse_known_args([known(word) for word in given])
    assert not rest or hasattr(options, "rest"), f"{name} knows no {rest}"


def known(word: str) -> str:
    """What the shell would put in; of environments there are only some."""
    return VALUE.sub("dev", word)


@pytest.mark.parametrize("words", [["images", "--colour", "red"], ["pictures"], ["images", "--env", "nowhere"]])
def test_a_call_that_no_parser_takes_would_be_noticed(words: list[str]) -> None:
    with pytest.raises((AssertionError, SystemExit, argparse.ArgumentError)):
        parsed("build", words)


def test_a_push_deploys_when_it_concerns_a_service() -> None:
    paths = {path.removesuffix("**") for path in workflows()["deploy"]["on"]["push"]["paths"]}
    concerning = {"services/" if path.startswith("services/") else path for path in OF_ALL}
    assert paths == concerning


def test_what_is_read_from_a_file_comes_after_the_first_call() -> None:
    """The first call in a checkout installs, and says so on standard output."""
    for job in JOBS:
        runs = "\n".join(step.get("run", "") for step in job.steps)
        first = next((line for line in runs.splitlines() if re.search(r"(?<!before/)scripts/tandem", line)), "")
        assert ">" not in first or "scripts/tandem --help" in first, job


def test_one_check_stands_for_all_of_ci() -> None:
    jobs = workflows()["ci"]["jobs"]
    assert set(jobs["green"]["needs"]) == set(jobs) - {"green"}
    assert jobs["green"]["if"] == "always()"
