"""Commands with the tiny model, and stand-ins for MongoDB and S3, as tests of several files use them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from moto import mock_aws

from scripts import build_index, refresh_database
from support.database import Database
from support.publishing import CREDENTIALS, make_bucket
from support.servers.mongo_server import MongoServer, serving

Command = Callable[..., int]


def _without(given: dict[str, Path], arguments: tuple[str | Path, ...]) -> list[str]:
    """The default options that are not among the arguments."""
    return [str(part) for option in given if option not in arguments for part in (option, given[option])]


@pytest.fixture
def build(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """build_index build with the tiny model and a cache and an output of its own; gives the exit status."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")  # 2026-01-02T03:04:05
    given = {"--model": tiny_folder, "--output": tmp_path / "incident_cls.pt", "--cache": tmp_path / "vectors.sqlite"}
    yield lambda *arguments: build_index.main(["build", *_without(given, arguments), *map(str, arguments)])
    torch.set_num_threads(threads)


@pytest.fixture
def import_vectors(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """build_index import with an output of its own, and the tiny model unless an encoder is named."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")

    def run(*arguments: str | Path) -> int:
        given = {"--output": tmp_path / "incident_cls.pt"}
        if "--encoder-name" not in arguments:
            given["--model"] = tiny_folder
        return build_index.main(["import", *_without(given, arguments), *map(str, arguments)])

    return run


@pytest.fixture
def check() -> Command:
    """build_index check; gives the exit status."""
    return lambda *arguments: build_index.main(["check", *map(str, arguments)])


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., str]:
    """Write incidents as a source: source({5: ["a text"]})."""

    def write(incidents: dict[int, list[str]], titles: str = "Incident {}") -> str:
        lines = [
            json.dumps({"incident_id": i, "title": titles.format(i), "reports": [{"text": text} for text in texts]})
            for i, texts in incidents.items()
        ]
        (tmp_path / "some.jsonl").write_text("".join(line + "\n" for line in lines))
        return f"jsonl:{tmp_path / 'some.jsonl'}"

    return write


@pytest.fixture
def database() -> Iterator[Database]:
    with serving(MongoServer()) as server:
        yield Database(server)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an emulated S3, with a bucket to publish in."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield make_bucket()


@pytest.fixture
def refresh(
    database: Database,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """The command line: gives its exit status and all it says."""
    monkeypatch.delenv("INDEX_BUCKET", raising=False)

    def run(*arguments: str) -> tuple[int, str]:
        files = ["--output", str(tmp_path / "incident_cls.pt"), "--cache", str(tmp_path / "vectors.sqlite")]
        options = ["--database", database.server.uri, "--model", str(tiny_folder), *files]
        status = refresh_database.main([*options, *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run
