"""The example of docs/how-to/add-a-lambda.md is a function, a route and an answer."""

import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from incidents.http.routes import METHODS, routes
from support.documents import REPOSITORY, blocks
from support.template import Template

PAGE = (REPOSITORY / "docs" / "how-to" / "add-a-lambda.md").read_text()


@pytest.fixture
def script(image_folder: Path, tmp_path: Path) -> Path:
    """The example, where the page says, in a copy of inference/."""
    (path,) = re.findall(r"Save this as `(inference/\w+\.py)`", PAGE)
    (example,) = blocks(PAGE, "python")
    shutil.copytree(image_folder, tmp_path / "inference")
    script = tmp_path / str(path)
    script.write_text(example)
    return script


def test_the_example_is_a_function_and_a_route(script: Path, synthesize: Callable[..., Template]) -> None:
    template = synthesize(script.parent)
    function = template.function(script.stem)
    assert function["ImageConfig"]["Command"] == [f"{script.stem}.handler"]
    assert function["MemorySize"] == template.function("similar")["MemorySize"]
    keys = {route["RouteKey"] for route in template.all("AWS::ApiGatewayV2::Route").values()}
    assert {f"{method} /{script.stem}" for method in METHODS} <= keys
    assert routes(script.parent)[f"/{script.stem}"] == script.stem


@pytest.mark.usefixtures("service")
def test_the_example_answers(script: Path) -> None:
    specification = importlib.util.spec_from_file_location(script.stem, script)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    answer = json.loads(module.handler({"text": "w5 w6"}, None)["body"])
    assert answer["statusCode"] == 200
    assert answer["body"] == {"warnings": [], "msg": "Success", "tokens": 4, "tokens_used": 4}
    assert module.handler({}, None)["statusCode"] == 400
