"""S3 as a separate server (moto's), behind a proxy that can fail."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest
import torch

from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from scripts.cli.paths import REPOSITORY
from scripts.indexing.publishing import PublishedIndex
from support.publishing import BUCKET, CREDENTIALS, make_bucket
from support.servers.faulty_proxy import FaultyProxy, faulty_proxy

KEY = "incident_cls.pt"


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.kill()


def wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.1)
    raise AssertionError("moto's server did not start")


@pytest.fixture
def s3(moto_port: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of an empty S3, which bypasses the proxy."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{moto_port}")
    httpx.post(f"http://127.0.0.1:{moto_port}/moto-api/reset").raise_for_status()
    return make_bucket()


@pytest.fixture
def proxy(moto_port: int) -> Iterator[FaultyProxy]:
    with faulty_proxy(moto_port) as proxy:
        yield proxy


@pytest.fixture
def environment(s3: Any, proxy: FaultyProxy, tiny_folder: Path, tmp_path: Path) -> dict[str, str]:  # noqa: ARG001
    """A container's environment: the cache has the tiny model, and the index comes from S3 through the proxy.

    The image has neither, even if `make image` has left some in the checkout.
    """
    source, image = REPOSITORY / "inference", tmp_path / "image"
    shutil.copytree(source / "incidents", image / "incidents", ignore=shutil.ignore_patterns("__pycache__"))
    for script in source.glob("*.py"):
        shutil.copy(script, image)
    cache = tmp_path / "cache"
    (cache / "model" / "tiny").mkdir(parents=True)
    for file in tiny_folder.iterdir():
        (cache / "model" / "tiny" / file.name).symlink_to(file)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return (
        inherited
        | CREDENTIALS
        | {
            "AWS_ENDPOINT_URL_S3": proxy.url,
            "HF_MODEL_URI": "tiny",
            "INDEX_BUCKET": BUCKET,
            "INDEX_REFRESH_SECONDS": "1",
            "TRANSFORMERS_CACHE": str(cache),
            "ENCODER_THREADS": "1",
            "PYTHONPATH": str(image),
        }
    )


@pytest.fixture
def publish(s3: Any, tiny_index: IncidentIndex, tmp_path: Path) -> Callable[[int, int], None]:  # noqa: ARG001
    """A function that publishes a generation: `count` incidents with ids from 1,000,000 times its number."""
    published = PublishedIndex(BUCKET)

    def publish(generation: int, count: int) -> None:
        generator = torch.Generator().manual_seed(generation)
        index = replace(
            tiny_index,
            ids=torch.arange(count) + generation * 1_000_000,
            vectors=torch.randn(count, tiny_index.encoder.width, generator=generator),
            report_counts=torch.ones(count, dtype=torch.int64),
            titles=[f"of {generation}"] * count,
            source=f"generation {generation}",
        )
        save_index(index, tmp_path / "to-publish.pt")
        published.publish(tmp_path / "to-publish.pt", 100, force=True)

    return publish
