"""The image's container, and its entry point under the emulator."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.servers.container import IMAGE, ONE_THREAD, Container, buildah
from support.servers.lambda_runtime import EMULATOR, lambda_runtime


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    container = Container(IMAGE)
    yield container
    container.remove()


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    return config


@pytest.fixture
def start(container: Container, config: dict[str, Any], tmp_path: Path) -> Callable[..., Any]:
    """A function that starts the image's entry point with the handler of a script, under the emulator."""

    def start(script: str, *options: str, **environment: str) -> Any:
        variables = [f"--env={name}={value}" for name, value in (ONE_THREAD | environment).items()]
        return lambda_runtime(
            [*config["Entrypoint"], f"{script}.handler"],
            os.environ,
            tmp_path / "log",
            emulator=Path("/aws-lambda-rie"),
            launcher=container.launcher(f"--volume={EMULATOR}:/aws-lambda-rie:ro", *options, *variables),
        )

    return start
