"""The daily refresh of the database. The MongoDB server is mongomock behind a socket, and S3 is moto."""

import copy
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from moto import mock_aws
from pymongo.collection import Collection

from incidents.index.file import load_index
from incidents.model.encoder import Encoder
from incidents.model.text import text_hash
from scripts import refresh_database
from scripts.database import lock as database_lock
from scripts.database import writer as database_writer
from scripts.database.lock import COLLECTION, NAME
from scripts.publish_index import PublishedIndex
from scripts.sources import mongo
from support.mongo_server import MongoServer, serving
from support.publishing import BUCKET, CREDENTIALS, make_bucket

INCIDENTS = [
    {"incident_id": 1, "title": "One", "reports": [10, 11], "editor": "kept"},
    {"incident_id": 2, "title": "Two", "reports": [20]},
    {"incident_id": 3, "title": "Three", "reports": [30, 11], "editor_dissimilar_incidents": [1]},
    {"incident_id": 4, "title": "Four", "reports": [40]},
    {"incident_id": 5, "title": "Five", "reports": []},
]
REPORTS = [{"report_number": number, "text": f"**w{number}** w5", "title": "kept"} for number in (10, 11, 20, 30, 40)]


class Database:
    """What is in the server, and what was written to it."""

    def __init__(self, server: MongoServer) -> None:
        self.server = server
        self.reset()

    def reset(self) -> None:
        """As it was before any run."""
        for name, documents in (("incidents", INCIDENTS), ("reports", REPORTS)):
            self.server.data[name].delete_many({})
            self.server.data[name].insert_many(copy.deepcopy(documents))

    @property
    def updates(self) -> list[str]:
        return [
            f"{collection} {next(iter(update['q'].values()))}: {', '.join(chain(*update['u'].values()))}"
            for collection in ("reports", "incidents")
            for update in self.server.updates(collection)
        ]

    def incident(self, incident_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.server.data["incidents"].find_one({"incident_id": incident_id}, {"_id": False})
        return found

    def report(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.server.data["reports"].find_one({"report_number": number}, {"_id": False})
        return found

    def edit(self, collection: str, which: dict[str, Any], **fields: Any) -> None:
        assert self.server.data[collection].update_one(which, {"$set": fields}).matched_count == 1

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        read = self.server.data
        return {name: sorted(read[name].find({}, {"_id": False}), key=str) for name in ("incidents", "reports")}


@pytest.fixture
def database() -> Iterator[Database]:
    with serving(MongoServer()) as server:
        yield Database(server)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield make_bucket()


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    database: Database,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """The command line: gives its exit status and all it says."""
    monkeypatch.delenv("INDEX_BUCKET", raising=False)

    def run(*arguments: str) -> tuple[int, str]:
        files = ["--output", str(tmp_path / "incident_cls.pt"), "--cache", str(tmp_path / "vectors.sqlite")]
        options = ["--database", database.server.uri, "--model", str(tiny_folder), *files]
        monkeypatch.setattr(sys, "argv", ["refresh_database.py", *options, *arguments])
        status = refresh_database.main()
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def test_a_first_run_writes_all_there_is_to_know(database: Database, run: Run, tiny_encoder: Encoder) -> None:
    before = database.everything()
    assert run()[0] == 0
    vector = {number: tiny_encoder.encode(f"w{number} w5").vector for number in (10, 11, 20, 30, 40)}
    assert database.report(10)["embedding"] == {
        "vector": vector[10].tolist(),
        "from_text_hash": text_hash("w10 w5"),
        "encoder_fingerprint": tiny_encoder.fingerprint,
    }
    mean = (vector[10].double() + vector[11].double()) / 2
    assert database.incident(1)["embedding"]["vector"] == pytest.approx(mean.tolist(), abs=1e-6)
    assert database.incident(1)["embedding"]["from_reports"] == [10, 11]
    assert database.incident(1)["embedding"]["encoder_fingerprint"] == tiny_encoder.fingerprint
    assert "embedding" not in database.incident(5)
    for collection, documents in database.everything().items():
        for written, original in zip(documents, before[collection], strict=True):
            assert {key: written[key] for key in original} == original


def test_similar_incidents_are_the_closest_others(database: Database, run: Run) -> None:
    run()
    vectors = {i: torch.tensor(database.incident(i)["embedding"]["vector"]).double() for i in (1, 2, 3, 4)}
    for incident_id in (1, 2, 3, 4):
        without = {incident_id, *database.incident(incident_id).get("editor_dissimilar_incidents", [])}
        cosines = {
            other: torch.cosine_similarity(vectors[incident_id], vectors[other], dim=0).item()
            for other in vectors.keys() - without
        }
        similar = database.incident(incident_id)["nlp_similar_incidents"]
        assert [each["incident_id"] for each in similar] == sorted(cosines, key=lambda i: cosines[i], reverse=True)[:3]
        assert [each["similarity"] for each in similar] == pytest.approx(sorted(cosines.values(), reverse=True)[:3])
    assert [each["incident_id"] for each in database.incident(3)["nlp_similar_incidents"]].count(1) == 0


def test_a_run_without_changes_writes_nothing(database: Database, run: Run) -> None:
    run()
    assert len(database.updates) == 9
    database.server.commands.clear()
    before = database.everything()
    status, said = run()
    assert (status, database.updates) == (0, [])
    assert "0 texts embedded" in said
    assert database.everything() == before


def test_an_edited_report_changes_what_depends_on_it(database: Database, run: Run, tiny_encoder: Encoder) -> None:
    run()
    database.server.commands.clear()
    database.edit("reports", {"report_number": 20}, text="w50 w51")
    assert run()[0] == 0
    assert database.report(20)["embedding"]["vector"] == tiny_encoder.encode("w50 w51").vector.tolist()
    assert {update.partition(":")[0] for update in database.updates} == {
        "reports 20", "incidents 1", "incidents 2", "incidents 3", "incidents 4",
    }  # fmt: skip
    assert "incidents 1: nlp_similar_incidents" in database.updates
    assert "incidents 2: embedding, nlp_similar_incidents" in database.updates


def test_moved_and_removed_reports_change_the_incidents_alone(
    database: Database, run: Run, tiny_encoder: Encoder
) -> None:
    run()
    database.server.commands.clear()
    database.edit("incidents", {"incident_id": 1}, reports=[10])
    database.edit("incidents", {"incident_id": 4}, reports=[40, 11])
    assert run()[0] == 0
    assert not [update for update in database.updates if update.startswith("reports")]
    assert database.incident(1)["embedding"]["from_reports"] == [10]
    assert database.incident(1)["embedding"]["vector"] == tiny_encoder.encode("w10 w5").vector.tolist()
    assert database.incident(4)["embedding"]["from_reports"] == [11, 40]


def test_what_is_in_the_index_no_more_has_no_vector_and_no_neighbours_any_more(database: Database, run: Run) -> None:
    run()
    database.edit("reports", {"report_number": 20}, text="![](picture.png)")
    database.edit("incidents", {"incident_id": 4}, reports=[])
    status, said = run("--max-loss-percent", "50")
    assert status == 0
    assert "Skipped incident 4: none of its reports can be used" in said
    assert "Skipped incident 2, report 20: it has no text" in said
    assert "embedding" not in database.report(20)
    for incident_id in (2, 4):
        assert "embedding" not in database.incident(incident_id)
        assert database.incident(incident_id)["nlp_similar_incidents"] == []
    assert [each["incident_id"] for each in database.incident(1)["nlp_similar_incidents"]] == [3]
    database.server.commands.clear()
    assert run("--max-loss-percent", "50")[0] == 0
    assert database.updates == []


def test_a_duplicate_gives_its_reports_and_its_dissimilarity_to_the_true_incident(database: Database, run: Run) -> None:
    run()
    database.edit("incidents", {"incident_id": 1}, editor_dissimilar_incidents=[4])
    duplicates = [
        {"duplicate_incident_number": 4, "true_incident_number": 2},
        {"duplicate_incident_number": 3, "true_incident_number": 777},  # of which there is no document
    ]
    database.server.data["duplicates"].insert_many(duplicates)
    assert run("--max-loss-percent", "50")[0] == 0
    assert database.incident(2)["embedding"]["from_reports"] == [20, 40]
    assert database.incident(1)["nlp_similar_incidents"] == []
    assert [each["incident_id"] for each in database.incident(2)["nlp_similar_incidents"]] == [1]
    assert ["embedding" in database.incident(incident_id) for incident_id in (3, 4)] == [False, False]


def test_vectors_of_another_encoder_are_replaced(database: Database, run: Run, tiny_encoder: Encoder) -> None:
    run()
    database.server.commands.clear()
    database.edit("reports", {"report_number": 10}, **{"embedding.encoder_fingerprint": "another"})
    database.edit("incidents", {"incident_id": 2}, **{"embedding.encoder_fingerprint": "another"})
    run()
    assert sorted(database.updates) == ["incidents 2: embedding", "reports 10: embedding"]
    assert database.report(10)["embedding"]["encoder_fingerprint"] == tiny_encoder.fingerprint


def test_bad_records_are_listed_and_stop_nothing(database: Database, run: Run) -> None:
    database.server.data["reports"].insert_many(
        [{"report_number": "many", "text": "w5"}, {"report_number": 50, "text": 5}]
    )
    database.server.data["incidents"].insert_one({"incident_id": None})
    database.edit("incidents", {"incident_id": 4}, editor_dissimilar_incidents=["x"])
    status, said = run()
    assert status == 3
    assert "left out, in reports, report_number 'many': expected report_number to be a whole number" in said
    assert "left out, in reports, report_number 50: expected a text, got int" in said
    assert said.count("incident_id to be a whole number from 1 to 2^63 - 1, got None") == 1
    assert "editor_dissimilar_incidents of incident 4" in said
    assert "embedding" in database.incident(1)
    assert "embedding" not in database.incident(4)


def test_a_dry_run_says_what_would_change_and_writes_nothing(database: Database, run: Run, tmp_path: Path) -> None:
    before = database.everything()
    status, said = run("--dry-run")
    assert (status, database.updates, database.everything()) == (0, [], before)
    assert "9 documents would change; nothing was written or published" in said
    assert "report 10: embedding" in said
    assert "incident 1: embedding, nlp_similar_incidents" in said
    assert not (tmp_path / "incident_cls.pt").exists()
    assert COLLECTION not in database.server.data.list_collection_names()


def test_the_index_is_published_but_not_one_of_far_fewer_incidents(
    database: Database, run: Run, s3: Any, tmp_path: Path
) -> None:
    assert run("--bucket", BUCKET)[0] == 0
    assert s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")["Metadata"]["incidents"] == "4"
    assert load_index(tmp_path / "incident_cls.pt").ids.tolist() == [1, 2, 3, 4]
    for number in (11, 20, 30, 40):
        database.edit("reports", {"report_number": number}, text="")
    before = database.everything()
    status, said = run("--bucket", BUCKET)
    assert status == 1
    assert "Stopped: expected at most 10 % fewer incidents with a vector than the 4 of the database, got 1" in said
    assert database.everything() == before
    assert s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")["Metadata"]["incidents"] == "4"


# Failures


@pytest.mark.parametrize("batch", range(5))
def test_a_run_that_was_stopped_is_gone_on_with(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Ctrl-C before one of the batches."""
    monkeypatch.setattr(database_writer, "BATCH", 2)
    bulk_write: Any = Collection.bulk_write
    left = batch

    def stopped(self: Any, operations: list[Any], **options: Any) -> Any:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return bulk_write(self, operations, **options)

    with monkeypatch.context() as while_stopped:
        while_stopped.setattr(Collection, "bulk_write", stopped)
        assert run()[0] == 130
    assert run()[0] == 0
    stopped_and_gone_on = database.everything()
    database.reset()
    assert run()[0] == 0
    assert database.everything() == stopped_and_gone_on


def test_what_fails_for_a_moment_is_tried_again(database: Database, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_writer, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(database_writer, "TRIES", 2)
    database.server.drops["reports"] = 1
    assert run()[0] == 0
    assert "embedding" in database.report(10)
    database.server.drops["reports"] = 2
    database.edit("reports", {"report_number": 10}, text="w9")
    status, said = run()
    assert (status, "Stopped: AutoReconnect" in said) == (1, True)


def test_what_the_database_refuses_is_listed(database: Database, run: Run) -> None:
    database.server.refusals[11] = [121]
    status, said = run()
    assert status == 3
    assert "report 11: embedding: refused with code 121" in said
    assert "private" not in said
    assert "embedding" not in database.report(11)
    assert all("embedding" in database.report(number) for number in (10, 20, 30, 40))
    assert "8 documents changed" in said


@pytest.mark.parametrize("times", [1, 2])
def test_a_conflict_and_a_write_that_too_few_servers_have_are_tried_again(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(database_writer, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(database_writer, "TRIES", 3)
    database.server.refusals[11] = [112] * times
    assert run()[0] == 0
    assert "embedding" in database.report(11)
    database.edit("reports", {"report_number": 10}, text="w9")
    database.server.concern_codes["reports"] = [91] * (times + 1)
    status, said = run()
    assert (status, "Stopped: BulkWriteError" in said) == ((0, False) if times == 1 else (1, True))


# The lock


def hold(database: Database, **fields: Any) -> None:
    database.server.data[COLLECTION].insert_one({"_id": NAME} | fields)


def test_two_runs_do_not_overlap(database: Database, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(database, holder="another", extended_at=datetime.now(UTC))

    def wait(_: float) -> None:  # as the other run does, meanwhile
        database.edit(COLLECTION, {"_id": NAME}, extended_at=datetime.now(UTC) + timedelta(seconds=20))

    monkeypatch.setattr(database_lock, "sleep", wait)
    status, said = run()
    assert (status, "another run is writing" in said) == (1, True)
    assert database.updates == []


@pytest.mark.parametrize(
    "fields",
    [
        {"holder": "another", "extended_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"holder": "another", "extended_at": datetime(2120, 1, 1, tzinfo=UTC)},
        {},
    ],
)
def test_the_lock_of_a_killed_run_is_taken_whatever_is_in_it(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    hold(database, **fields)
    monkeypatch.setattr(database_lock, "LEASE_SECONDS", 0.1)
    status, said = run()
    assert (status, said.count("The database is locked")) == (0, 1)
    assert database.server.data[COLLECTION].count_documents({}) == 0


def test_the_lock_is_held_until_the_index_is_published(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def publish(*_: Any, **__: Any) -> str:
        held.append(database.server.data[COLLECTION].count_documents({}))
        return ""

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(PublishedIndex, "publish", publish)
    assert run("--bucket", BUCKET)[0] == 0
    assert held == [1]


def test_a_run_whose_lock_was_taken_over_writes_nothing_more(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in = mongo.take_in

    def taken_over(*arguments: Any) -> Any:
        database.edit(COLLECTION, {"_id": NAME}, holder="another")
        return take_in(*arguments)

    monkeypatch.setattr(refresh_database, "take_in", taken_over)
    status, said = run()
    assert (status, "another run has taken the lock over" in said) == (1, True)
    assert database.updates == []
    assert database.server.data[COLLECTION].find_one({"_id": NAME})["holder"] == "another"


def test_a_database_that_is_not_named_is_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MONGODB_CONNECTION_STRING", raising=False)
    status, said = run("--database", "")
    assert (status, "MONGODB_CONNECTION_STRING, which is not set" in said) == (1, True)
    with pytest.raises(SystemExit, match="2"):
        run("--neighbours", "0")
    assert "--neighbours to be 1 or more" in capsys.readouterr().err


def test_a_database_that_cannot_be_reached_or_refuses_is_said_to(database: Database, run: Run) -> None:
    database.server.unauthorized = True
    status, said = run()
    assert (status, "the database refused, with code 13 Unauthorized" in said) == (1, True)
    status, said = run("--database", "mongodb://editor:secret@127.0.0.1:9/?serverSelectionTimeoutMS=50")
    assert (status, "could not be used: 127.0.0.1:9" in said, "secret" in said) == (1, True, False)


def test_an_output_that_cannot_be_written_is_noticed_before_anything_is(
    database: Database, run: Run, tmp_path: Path
) -> None:
    status, said = run("--output", str(tmp_path / "nowhere" / "incident_cls.pt"))
    assert (status, "expected --output in a folder that is there" in said) == (1, True)
    assert database.updates == []
