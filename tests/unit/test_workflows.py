"""What the workflows rely on, as far as it can be read off their files: none can be run here."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[2]
Step = dict[str, Any]


def jobs(workflow: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(REPOSITORY / ".github" / "workflows" / f"{workflow}.yml")["jobs"]
    return found


def steps(workflow: str) -> list[Step]:
    """The steps of the job that has the workflow's name."""
    found: list[Step] = jobs(workflow)[workflow]["steps"]
    return found


def only(workflow: str, text: str) -> Step:
    """The one step that runs or uses something."""
    (found,) = (step for step in steps(workflow) if text in step.get("run", "") + step.get("uses", ""))
    return found


def test_a_deployment_has_every_setting_from_the_repositorys_variables() -> None:
    keys = re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), flags=re.MULTILINE)
    assert only("deploy", "make deploy")["env"] == {key: f"${{{{ vars.{key} }}}}" for key in keys}
