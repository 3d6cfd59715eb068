"""The stack, synthesized in this process: starting the CDK is slow, each further synthesis takes less than a second."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from incidents.http.routes import SCRIPTS_FOLDER
from infrastructure.settings import Settings
from support.template import Template

REPOSITORY = SCRIPTS_FOLDER.parent
Synthesize = Callable[..., Template]


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real scripts with a stand-in for the Dockerfile, and without the model that may lie beside them."""
    folder = tmp_path_factory.mktemp("inference")
    for script in SCRIPTS_FOLDER.glob("*.py"):
        shutil.copy(script, folder)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


@pytest.fixture(scope="session")
def synthesize(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Return a function that synthesizes the stack with settings: synthesize(LAMBDA_MEMORY_MB="1000")."""
    if not shutil.which("node"):
        pytest.skip("the CDK needs Node")
    from aws_cdk import App  # noqa: PLC0415 (importing it starts Node)

    from infrastructure.stack import AiidNlpLambdaStack  # noqa: PLC0415

    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]

    @cache
    def synthesize(folder: Path = image_folder, **environment: str) -> Template:
        output = tmp_path_factory.mktemp("cdk.out")
        app = App(context=context | {"aws:cdk:enable-path-metadata": True}, outdir=str(output))
        stack = AiidNlpLambdaStack(app, settings=Settings.from_mapping(environment), image_folder=folder)
        app.synth()
        assert "missing" not in json.loads((output / "manifest.json").read_text()), (
            "the synthesis looks something up in an account"
        )
        assets = json.loads((output / f"{stack.stack_name}.assets.json").read_text())
        return Template(json.loads((output / stack.template_file).read_text()), assets["dockerImages"])

    return cast("Synthesize", synthesize)


@pytest.fixture(scope="session")
def template(synthesize: Synthesize) -> Template:
    """The template with the default settings."""
    return synthesize()
