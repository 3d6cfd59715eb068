"""The stack, synthesised in this process: the CDK starts once, after which a synthesis takes a fraction of a second."""

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
Synthesise = Callable[..., Template]


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real scripts, without the models that may lie beside them; what the Dockerfile says is not the stack's."""
    folder = tmp_path_factory.mktemp("inference")
    for script in SCRIPTS_FOLDER.glob("*.py"):
        shutil.copy(script, folder)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


@pytest.fixture(scope="session")
def synthesise(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesise:
    """A function that gives the template for settings: synthesise(LAMBDA_MEMORY_MB="1000")."""
    if not shutil.which("node"):
        pytest.skip("the CDK needs Node, and there is none")
    from aws_cdk import App  # noqa: PLC0415 (importing it starts Node)

    from infrastructure.stack import AiidNlpLambdaStack  # noqa: PLC0415

    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]

    @cache
    def synthesise(folder: Path = image_folder, **environment: str) -> Template:
        output = tmp_path_factory.mktemp("cdk.out")
        app = App(context=context | {"aws:cdk:enable-path-metadata": True}, outdir=str(output))
        stack = AiidNlpLambdaStack(app, settings=Settings.from_mapping(environment), image_folder=folder)
        app.synth()
        assert "missing" not in json.loads((output / "manifest.json").read_text()), "looked up in an account"
        assets = json.loads((output / f"{stack.stack_name}.assets.json").read_text())
        return Template(json.loads((output / stack.template_file).read_text()), assets["dockerImages"])

    return cast("Synthesise", synthesise)


@pytest.fixture(scope="session")
def template(synthesise: Synthesise) -> Template:
    """The template by default."""
    return synthesise()
