"""Assumptions of the workflows, as far as their files show them: no workflow can run here."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[2]
Step = dict[str, Any]


def read(workflow: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(REPOSITORY / ".github" / "workflows" / f"{workflow}.yml")
    return found


def triggers(workflow: str) -> set[str]:
    return set(read(workflow)["on"])


def jobs(workflow: str) -> dict[str, Any]:
    found: dict[str, Any] = read(workflow)["jobs"]
    return found


def steps(workflow: str) -> list[Step]:
    """The steps of the job that has the workflow's name."""
    found: list[Step] = jobs(workflow)[workflow]["steps"]
    return found


def only(workflow: str, text: str, name: str = "") -> Step:
    """The only step with this text in what it runs or uses, and with this in its name."""
    named = (step for step in steps(workflow) if name in step.get("name", ""))
    (found,) = (step for step in named if text in step.get("run", "") + step.get("uses", ""))
    return found


def settings() -> set[str]:
    """The settings of the stack."""
    return set(re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), flags=re.MULTILINE))


def test_a_deployment_has_every_setting_from_the_repositorys_variables() -> None:
    assert only("deploy", "make deploy")["env"] == {key: f"${{{{ vars.{key} }}}}" for key in settings()}


def test_credentials_that_last_an_hour_are_asked_for_after_the_refresh_that_takes_longer() -> None:
    order = [step.get("id", step.get("run")) for step in steps("refresh")]
    assert order.index("refresh") < order.index("credentials") < order.index("make publish NAME=longformer")
    assert only("refresh", "make refresh")["env"].keys() == {"MONGODB_CONNECTION_STRING"}
    assert only("refresh", "make publish")["env"].keys() == {"INDEX_BUCKET"}


def test_an_index_is_published_only_if_this_refresh_has_made_it() -> None:
    """The condition is that the file exists, so no cache may restore one of another run."""
    assert "hashFiles('models/longformer/incident_cls.pt') != ''" in only("refresh", "credentials")["if"]
    for workflow in ("deploy", "refresh"):
        uses = [step.get("uses", "").split("@")[0] for step in steps(workflow)]
        assert "actions/cache" not in uses, "saves at the end, with the index in the model's folder"
        kept = steps(workflow).index(only(workflow, "actions/cache/save", name="Save the model"))
        assert steps(workflow)[kept - 1]["run"] == "make model NAME=longformer"


def test_a_deployment_can_take_the_settings_that_change_what_it_does() -> None:
    """A build checks only an image for its own processor, and IAM authorization refuses unsigned requests."""
    assert "vars.ARCHITECTURE == 'arm64' && 'ubuntu-24.04-arm'" in jobs("deploy")["deploy"]["runs-on"]
    assert only("deploy", "make smoke")["if"] == "${{ vars.IAM_AUTHORIZATION != 'true' }}"


@pytest.mark.parametrize(("workflow", "command"), [("refresh", "make refresh"), ("deploy", "make index")])
def test_vectors_are_saved_at_once_even_after_a_timeout(workflow: str, command: str) -> None:
    embedding = only(workflow, command)
    assert embedding["timeout-minutes"] < jobs(workflow)[workflow]["timeout-minutes"]
    kept = steps(workflow)[steps(workflow).index(embedding) + 1]
    assert kept["uses"].startswith("actions/cache/save@")
    assert kept["if"] == f"${{{{ always() && steps.{embedding['id']}.outcome != 'skipped' }}}}"
    assert kept["with"]["key"].startswith(only(workflow, "cache/restore", name="vectors")["with"]["restore-keys"])


def test_a_refresh_that_was_stopped_is_reported_too() -> None:
    assert "needs.refresh.result" in jobs("refresh")["report"]["if"]
    assert jobs("refresh")["report"]["if"].startswith("${{ always() && ")


def test_vectors_are_restored_from_where_they_were_saved() -> None:
    """The action restores only under the path it saved; SQLite keeps the latest vectors in a log beside the file."""
    caches = [
        step for workflow in ("deploy", "refresh") for step in steps(workflow) if "vectors" in step.get("name", "")
    ]
    assert {step["with"]["path"] for step in caches} == {".cache/vectors.sqlite*"}


def test_a_saved_model_is_fetched_again_when_its_makers_change() -> None:
    keys = {only(workflow, "cache/restore", name="model")["with"]["key"] for workflow in ("deploy", "refresh")}
    (key,) = keys  # the same in both, so that one fetches for the other
    files = set(re.findall(r"'(\S+)'", key))
    assert {"inference/incidents/model/*.py", "scripts/fetch_model.py", "scripts/models/*"} <= files
    assert {"inference/requirements*.txt", "requirements/job.txt"} <= files
    for file in files:
        assert list(REPOSITORY.glob(file)), file


def test_what_fails_its_tests_is_not_deployed_and_is_tested_once() -> None:
    assert jobs("deploy")["deploy"]["needs"] == "test"
    assert jobs("deploy")["test"]["uses"] == "./.github/workflows/test.yml"
    assert triggers("test") == {"push", "pull_request", "workflow_call"}
    assert triggers("deploy") == {"push", "workflow_dispatch"}


def test_the_roles_trust_the_jobs_that_ask_for_them() -> None:
    """GitHub's token names the job's environment, else the branch, which for a schedule is the main one."""
    setup = (REPOSITORY / "docs" / "github.md").read_text()
    environment = jobs("deploy")["deploy"]["environment"]
    assert f"| deploys | `repo:OWNER/REPO:environment:{environment}` |" in setup
    assert "environment" not in jobs("refresh")["refresh"]
    assert "| publishes | `repo:OWNER/REPO:ref:refs/heads/main` |" in setup
    text = "".join(str(read(workflow)) for workflow in ("deploy", "refresh"))
    for name in set(re.findall(r"(?:vars|secrets)\.(\w+)", text)) - settings():
        assert f"`{name}`" in setup, name
