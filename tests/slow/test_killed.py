"""Processes that are killed at random moments, with SIGKILL, lose nothing and leave nothing unfinished."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LongformerConfig, LongformerModel

from incidents.model.encoder import Encoder
from scripts.models.fetching import LONGFORMER, LONGFORMER_FILENAMES, LONGFORMER_REVISION
from support.servers.hub_server import Hub, serving_hub
from support.tiny import make_model, write_tokenizer

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
N_INCIDENTS, N_REPORTS = 150, 4
KILLS = 20


@dataclass(frozen=True)
class Setup:
    """A model that takes some milliseconds for a text, and incidents enough for some seconds."""

    model: Path
    source: Path
    undisturbed: bytes
    seconds: float


def command(setup_model: Path, source: Path, folder: Path) -> list[str]:
    options = ["--model", setup_model, "--source", f"jsonl:{source}", "--output", folder / "incident_cls.pt"]
    return [
        sys.executable,
        *map(str, ["-m", "scripts.build_index", "build", *options, "--cache", folder / "vectors.sqlite"]),
    ]


ENVIRONMENT = os.environ | {"SOURCE_DATE_EPOCH": "1767323045"}


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def build(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run([*arguments, "--json"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    folder = tmp_path_factory.mktemp("kill")
    make_model(
        folder / "model", "longformer", hidden_size=128, num_hidden_layers=6, attention_window=64,
        max_position_embeddings=514,
    )  # fmt: skip
    words = random.Random(1)
    incidents = [
        {
            "incident_id": number,
            "title": f"Incident {number}",
            "reports": [{"text": " ".join(f"w{words.randrange(4, 60)}" for _ in range(400))} for _ in range(N_REPORTS)],
        }
        for number in range(1, N_INCIDENTS + 1)
    ]
    source = folder / "incidents.jsonl"
    source.write_text("".join(json.dumps(incident) + "\n" for incident in incidents))
    started = time.monotonic()
    assert build(command(folder / "model", source, folder))["new"] == N_INCIDENTS * N_REPORTS
    return Setup(folder / "model", source, (folder / "incident_cls.pt").read_bytes(), time.monotonic() - started)


def count_vectors(cache: Path) -> int:
    """As another process sees it."""
    if not cache.is_file():
        return 0
    with closing(sqlite3.connect(cache, timeout=60)) as database:
        try:
            return int(database.execute("SELECT COUNT(*) FROM vectors").fetchone()[0])
        except sqlite3.OperationalError:  # it was killed before the table was made
            return 0


def test_a_killed_build_is_gone_on_with_to_the_same_file(setup: Setup, tmp_path: Path) -> None:
    moments, found = random.Random(2), []
    for kill in range(KILLS):
        folder = tmp_path / str(kill)
        folder.mkdir()
        index = folder / "incident_cls.pt"
        index.write_text("the old one")
        arguments = command(setup.model, setup.source, folder)
        with subprocess.Popen(
            arguments, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(moments.uniform(0, setup.seconds))
            before = count_vectors(folder / "vectors.sqlite")
            process.send_signal(signal.SIGKILL)
        assert index.read_bytes() in (b"the old one", setup.undisturbed)
        kept = count_vectors(folder / "vectors.sqlite")
        assert kept >= before
        again = build(arguments)
        assert again["new"] == N_INCIDENTS * N_REPORTS - kept
        assert index.read_bytes() == setup.undisturbed
        found.append(kept)
    print(f"vectors kept at each kill, of {N_INCIDENTS * N_REPORTS}: {found}")
    assert sum(0 < kept < N_INCIDENTS * N_REPORTS for kept in found) >= KILLS // 4, "the kills missed the work"


def test_a_build_that_is_killed_again_and_again_comes_to_its_end(setup: Setup, tmp_path: Path) -> None:
    moments, kept = random.Random(3), [0]
    arguments = command(setup.model, setup.source, tmp_path)
    for _ in range(8):
        with subprocess.Popen(
            arguments, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(moments.uniform(0.5, 0.7) * setup.seconds)
            process.send_signal(signal.SIGKILL)
        kept.append(count_vectors(tmp_path / "vectors.sqlite"))
    assert kept == sorted(kept)
    assert build(arguments)["new"] == N_INCIDENTS * N_REPORTS - kept[-1]
    assert (tmp_path / "incident_cls.pt").read_bytes() == setup.undisturbed


def test_a_killed_download_from_the_hub_resumes(tmp_path: Path) -> None:
    """The hub's client writes in chunks of 10 MB, so the weights have 40."""
    published = tmp_path / "published"
    config = LongformerConfig(
        vocab_size=300_000, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=42, type_vocab_size=1, attention_window=8,
    )  # fmt: skip
    config.save_pretrained(published)
    torch.save(LongformerModel(config).state_dict(), published / "pytorch_model.bin")
    write_tokenizer(published)
    address = f"/{LONGFORMER}/resolve/{LONGFORMER_REVISION}/"
    files = {address + name: (published / name).read_bytes() for name in LONGFORMER_FILENAMES}
    output, downloads = tmp_path / "longformer", tmp_path / "downloads"
    program = "import sys; from pathlib import Path; from scripts import fetch_model; "
    program += "fetch_model.DOWNLOADS = Path(sys.argv.pop()); sys.exit(fetch_model.main())"
    run = [sys.executable, "-c", program, "longformer", "--output", str(output), str(downloads)]
    with serving_hub(Hub(files, seconds_per_block=0.0002)) as hub:
        environment = os.environ | {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hub"),
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "inference")]),
        }
        with subprocess.Popen(run, env=environment) as process:
            while not (arrived := [part.stat().st_size for part in downloads.rglob("*.part")]) or max(arrived) < 10**7:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert not output.exists()
        (part,) = downloads.rglob("pytorch_model.bin.*.part")
        size = part.stat().st_size
        subprocess.run(run, env=environment, check=True)
    assert hub.ranges == [f"pytorch_model.bin from {size}"]
    assert Encoder.load(output).revision == LONGFORMER_REVISION
