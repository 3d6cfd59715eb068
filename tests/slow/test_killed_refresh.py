"""The refresh of a database, killed at random moments with SIGKILL, resumes and ends the same."""

import copy
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.servers.mongo_server import MongoServer, serving
from support.tiny import make_model

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
N_INCIDENTS, N_REPORTS = 100, 3
N_UPDATES = N_INCIDENTS * (N_REPORTS + 1)
KILLS = 20
PROGRAM = """
import sys
from scripts import refresh_database
from scripts.database import lock as database_lock
from scripts.database import writer as database_writer
database_lock.LEASE_SECONDS, database_writer.BATCH = 0.5, 10  # a minute and 200 would take too long
sys.exit(refresh_database.main())
"""


def filled_server() -> MongoServer:
    words, server = random.Random(1), MongoServer()
    for number in range(1, N_INCIDENTS + 1):
        numbers = list(range(number * 10, number * 10 + N_REPORTS))
        server.data["incidents"].insert_one({"incident_id": number, "title": f"Incident {number}", "reports": numbers})
        server.data["reports"].insert_many(
            [
                {"report_number": report, "text": " ".join(f"w{words.randrange(4, 60)}" for _ in range(400))}
                for report in numbers
            ]
        )
    return server


def n_updates(server: MongoServer) -> int:
    return len(server.updates("reports", "incidents"))


def stored(server: MongoServer) -> list[list[dict[str, Any]]]:
    return [list(server.data[name].find({}, {"_id": False})) for name in ("incidents", "reports")]


def test_a_killed_refresh_resumes_and_leaves_the_same_database(tmp_path: Path) -> None:
    model = tmp_path / "model"
    make_model(
        model, "longformer", hidden_size=128, num_hidden_layers=6, attention_window=64, max_position_embeddings=514
    )
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1767323045", "PYTHONPATH": str(REPOSITORY), "INDEX_BUCKET": ""}

    def command(server: MongoServer, folder: Path) -> list[str]:
        files = ["--output", str(folder / "incident_cls.pt"), "--cache", str(folder / "vectors.sqlite")]
        return [sys.executable, "-c", PROGRAM, "--database", server.uri, "--model", str(model), *files]

    def refresh(server: MongoServer, folder: Path) -> str:
        done = subprocess.run(
            command(server, folder), env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    with serving(filled_server()) as server:
        started = time.monotonic()
        refresh(server, undisturbed)
        seconds = time.monotonic() - started
        expected = copy.deepcopy(stored(server))

    moments, written = random.Random(2), []
    for kill in range(KILLS):
        folder = tmp_path / str(kill)
        folder.mkdir()
        index = folder / "incident_cls.pt"
        with serving(filled_server()) as server:
            # The second half is for the writing, which is soon done.
            moment = moments.uniform(0, seconds) if kill < KILLS // 2 else None
            with subprocess.Popen(command(server, folder), env=environment, stderr=subprocess.DEVNULL) as process:
                started, wanted = time.monotonic(), moments.randrange(1, N_UPDATES)
                while process.poll() is None and (
                    time.monotonic() - started < moment if moment else n_updates(server) < wanted
                ):
                    time.sleep(0.001)
                process.send_signal(signal.SIGKILL)
            written.append(n_updates(server))
            was_locked = server.data["nlp_locks"].count_documents({}) == 1
            server.commands.clear()
            said = refresh(server, folder)
            assert ("The database is locked" in said) == was_locked
            assert stored(server) == expected
            assert server.data["nlp_locks"].count_documents({}) == 0
            assert n_updates(server) <= N_UPDATES - written[-1] + 10
        assert index.read_bytes() == (undisturbed / "incident_cls.pt").read_bytes()
    print(f"updates made at each kill, of {N_UPDATES}: {written}")
    assert sum(0 < count < N_UPDATES for count in written) >= KILLS // 4, "the kills missed the work"
