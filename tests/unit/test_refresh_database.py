"""The daily refresh of the database. MongoDB is mongomock, and S3 is moto, both in this process."""

import copy
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mongomock
import pymongo
import pytest
import torch
from moto import mock_aws
from pymongo.errors import AutoReconnect, BulkWriteError

import database_lock
import database_writer
import refresh_database
from database_lock import COLLECTION, NAME
from incidents.encoder import Encoder
from incidents.index import IncidentIndex
from incidents.text import text_hash
from mongomock_client import Databases
from publishing import BUCKET, CREDENTIALS, make_bucket
from sources import mongo

INCIDENTS = [
    {"incident_id": 1, "title": "One", "reports": [10, 11], "editor": "kept"},
    {"incident_id": 2, "title": "Two", "reports": [20]},
    {"incident_id": 3, "title": "Three", "reports": [30, 11], "editor_dissimilar_incidents": [1]},
    {"incident_id": 4, "title": "Four", "reports": [40]},
    {"incident_id": 5, "title": "Five", "reports": []},
]
REPORTS = [{"report_number": number, "text": f"**w{number}** w5", "title": "kept"} for number in (10, 11, 20, 30, 40)]


class Database:
    """A database in mongomock, and what was written to it."""

    def __init__(self) -> None:
        self.databases = Databases()
        self.data: Any = self.databases.server["aiidprod"]
        self.data["incidents"].insert_many(copy.deepcopy(INCIDENTS))
        self.data["reports"].insert_many(copy.deepcopy(REPORTS))
        self.updates: list[str] = []

    def incident(self, incident_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.data["incidents"].find_one({"incident_id": incident_id}, {"_id": False})
        return found

    def report(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.data["reports"].find_one({"report_number": number}, {"_id": False})
        return found

    def edit(self, collection: str, which: dict[str, Any], **fields: Any) -> None:
        assert self.data[collection].update_one(which, {"$set": fields}).matched_count == 1

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        return {name: sorted(self.data[name].find({}, {"_id": False}), key=str) for name in ("incidents", "reports")}


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()

    monkeypatch.setattr(mongo, "MongoClient", database.databases)
    bulk_write = mongomock.Collection.bulk_write

    def counted(self: Any, operations: list[Any], **options: Any) -> Any:
        database.updates += [
            f"{self.name} {next(iter(o._filter.values()))}: {', '.join(o._doc['$set'])}" for o in operations
        ]
        return bulk_write(self, operations, **options)

    monkeypatch.setattr(mongomock.Collection, "bulk_write", counted)
    return database


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield make_bucket()


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line: gives its exit status and all it says."""
    monkeypatch.delenv("INDEX_BUCKET", raising=False)

    def run(*arguments: str) -> tuple[int, str]:
        files = ["--output", str(tmp_path / "incident_cls.pt"), "--cache", str(tmp_path / "vectors.sqlite")]
        options = ["--database", "mongodb://a.example", "--model", str(tiny_folder), *files]
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
    database.updates.clear()
    before = database.everything()
    status, said = run()
    assert (status, database.updates) == (0, [])
    assert "0 texts embedded" in said
    assert database.everything() == before


def test_an_edited_report_changes_what_depends_on_it(database: Database, run: Run, tiny_encoder: Encoder) -> None:
    run()
    database.updates.clear()
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
    database.updates.clear()
    database.edit("incidents", {"incident_id": 1}, reports=[10])
    database.edit("incidents", {"incident_id": 4}, reports=[40, 11])
    assert run()[0] == 0
    assert not [update for update in database.updates if update.startswith("reports")]
    assert database.incident(1)["embedding"]["from_reports"] == [10]
    assert database.incident(1)["embedding"]["vector"] == tiny_encoder.encode("w10 w5").vector.tolist()
    assert database.incident(4)["embedding"]["from_reports"] == [11, 40]


def test_vectors_of_another_encoder_are_replaced(database: Database, run: Run, tiny_encoder: Encoder) -> None:
    run()
    database.updates.clear()
    database.edit("reports", {"report_number": 10}, **{"embedding.encoder_fingerprint": "another"})
    database.edit("incidents", {"incident_id": 2}, **{"embedding.encoder_fingerprint": "another"})
    run()
    assert sorted(database.updates) == ["incidents 2: embedding", "reports 10: embedding"]
    assert database.report(10)["embedding"]["encoder_fingerprint"] == tiny_encoder.fingerprint


def test_bad_records_are_listed_and_stop_nothing(database: Database, run: Run) -> None:
    database.data["reports"].insert_many([{"report_number": "many", "text": "w5"}, {"report_number": 50, "text": 5}])
    database.data["incidents"].insert_one({"incident_id": None})
    database.edit("incidents", {"incident_id": 4}, editor_dissimilar_incidents=["x"])
    status, said = run()
    assert status == 3
    assert "left out, in reports: expected report_number to be a whole number, got 'many'" in said
    assert "left out, in reports: expected a text, got int" in said
    assert said.count("left out, in incidents: expected incident_id to be a whole number, got None") == 1
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
    assert COLLECTION not in database.data.list_collection_names()


def test_the_index_is_published(database: Database, run: Run, s3: Any, tmp_path: Path) -> None:
    assert run("--bucket", BUCKET)[0] == 0
    assert s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")["Metadata"]["incidents"] == "4"
    assert IncidentIndex.load(tmp_path / "incident_cls.pt").ids.tolist() == [1, 2, 3, 4]
    for number in (20, 30, 40):
        database.edit("reports", {"report_number": number}, text="")
    status, said = run("--bucket", BUCKET)
    assert status == 1
    assert "Stopped: expected at most 10 % fewer incidents than the published 4, got 2" in said
    assert s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")["Metadata"]["incidents"] == "4"


# Failures


@pytest.mark.parametrize("batch", range(5))
def test_a_run_that_was_stopped_is_gone_on_with(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Ctrl-C before one of the batches; a kill would leave the same, as each batch is written or not."""
    monkeypatch.setattr(database_writer, "BATCH", 2)
    bulk_write = mongomock.Collection.bulk_write
    left = batch

    def stopped(self: Any, operations: list[Any], **options: Any) -> Any:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return bulk_write(self, operations, **options)

    with monkeypatch.context() as while_stopped:
        while_stopped.setattr(mongomock.Collection, "bulk_write", stopped)
        assert run()[0] == 130
    assert run()[0] == 0
    stopped_and_gone_on = database.everything()
    fresh = Database()
    database.databases.server, database.data = fresh.databases.server, fresh.data
    assert run()[0] == 0
    assert database.everything() == stopped_and_gone_on


def test_what_fails_for_a_moment_is_tried_again(database: Database, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_writer, "WAIT_SECONDS", 0.001)
    bulk_write = mongomock.Collection.bulk_write
    failures = 4

    def flaky(self: Any, operations: list[Any], **options: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise AutoReconnect("not now")
        return bulk_write(self, operations, **options)

    monkeypatch.setattr(mongomock.Collection, "bulk_write", flaky)
    assert run()[0] == 0
    assert "embedding" in database.report(10)
    failures = 5
    database.edit("reports", {"report_number": 10}, text="w9")
    status, said = run()
    assert (status, "Stopped: AutoReconnect" in said) == (1, True)


@pytest.mark.usefixtures("database")
def test_what_the_database_refuses_is_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BulkWriteError({"writeErrors": [{"index": 1, "code": 121, "errmsg": "a private text"}]})

    monkeypatch.setattr(mongomock.Collection, "bulk_write", refuse)
    status, said = run()
    assert status == 3
    assert "reports, report_number 11: refused with code 121" in said
    assert "private" not in said


# The lock


def hold(database: Database, seconds: float) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    database.data[COLLECTION].insert_one({"_id": NAME, "holder": "another", "expires_at": expires})


def test_two_runs_do_not_overlap(database: Database, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(database, 60)

    def wait(_: float) -> None:  # as the other run does, meanwhile
        database.edit(COLLECTION, {"_id": NAME}, expires_at=datetime.now(UTC) + timedelta(seconds=61))

    monkeypatch.setattr(database_lock, "sleep", wait)
    status, said = run()
    assert (status, "another run is writing" in said) == (1, True)
    assert database.updates == []


def test_the_lock_of_a_killed_run_expires(database: Database, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(database, 0.2)
    monkeypatch.setattr(database_lock, "LEASE_SECONDS", 1.0)
    assert run()[0] == 0
    assert database.data[COLLECTION].count_documents({}) == 0


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
    assert database.data[COLLECTION].find_one({"_id": NAME})["holder"] == "another"


def test_a_database_that_is_not_named_is_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MONGODB_CONNECTION_STRING", raising=False)
    status, said = run("--database", "")
    assert (status, "MONGODB_CONNECTION_STRING, which is not set" in said) == (1, True)
    with pytest.raises(SystemExit, match="2"):
        run("--neighbours", "0")
    assert "--neighbours to be 1 or more" in capsys.readouterr().err
    assert pymongo.version_tuple < (4, 11)  # what mongomock's bulk_write gets on with
