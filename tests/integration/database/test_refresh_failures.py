"""The refresh of the database: failures, retries, and the lock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.collection import Collection

from scripts.database import lock as database_lock
from scripts.database import refresh as refresh_module
from scripts.database import writer as database_writer
from scripts.database.lock import COLLECTION, NAME
from scripts.indexing.publishing import PublishedIndex
from scripts.sources import mongo
from support.database import Database
from support.publishing import BUCKET

Run = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("batch", range(5))
def test_an_interrupted_run_resumes(
    database: Database, refresh: Run, monkeypatch: pytest.MonkeyPatch, batch: int
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
        assert refresh()[0] == 130
    assert refresh()[0] == 0
    resumed = database.everything()
    database.reset()
    assert refresh()[0] == 0
    assert database.everything() == resumed


def test_what_fails_for_a_moment_is_tried_again(
    database: Database, refresh: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_writer, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(database_writer, "TRIES", 2)
    database.server.drops["reports"] = 1
    assert refresh()[0] == 0
    assert "embedding" in database.report(10)
    database.server.drops["reports"] = 2
    database.edit("reports", {"report_number": 10}, text="w9")
    status, said = refresh()
    assert (status, "Stopped: AutoReconnect" in said) == (1, True)


def test_what_the_database_refuses_is_listed(database: Database, refresh: Run) -> None:
    database.server.refusals[11] = [121]
    status, said = refresh()
    assert status == 3
    assert "report 11: embedding: refused with code 121" in said
    assert "private" not in said
    assert "embedding" not in database.report(11)
    assert all("embedding" in database.report(number) for number in (10, 20, 30, 40))
    assert "8 documents changed" in said


@pytest.mark.parametrize("times", [1, 2])
def test_a_conflict_and_a_write_that_too_few_servers_have_are_tried_again(
    database: Database, refresh: Run, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(database_writer, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(database_writer, "TRIES", 3)
    database.server.refusals[11] = [112] * times
    assert refresh()[0] == 0
    assert "embedding" in database.report(11)
    database.edit("reports", {"report_number": 10}, text="w9")
    database.server.concern_codes["reports"] = [91] * (times + 1)
    status, said = refresh()
    assert (status, "Stopped: BulkWriteError" in said) == ((0, False) if times == 1 else (1, True))


def hold(database: Database, **fields: Any) -> None:
    database.server.data[COLLECTION].insert_one({"_id": NAME} | fields)


def test_two_runs_do_not_overlap(database: Database, refresh: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(database, holder="another", extended_at=datetime.now(UTC))

    def wait(_: float) -> None:  # as the other run does, meanwhile
        database.edit(COLLECTION, {"_id": NAME}, extended_at=datetime.now(UTC) + timedelta(seconds=20))

    monkeypatch.setattr(database_lock, "sleep", wait)
    status, said = refresh()
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
    database: Database, refresh: Run, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    hold(database, **fields)
    monkeypatch.setattr(database_lock, "LEASE_SECONDS", 0.1)
    status, said = refresh()
    assert (status, said.count("The database is locked")) == (0, 1)
    assert database.server.data[COLLECTION].count_documents({}) == 0


def test_a_running_job_keeps_its_lock(database: Database, refresh: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It extends the lock every second; a waiter must not take it before it is unchanged for three."""
    monkeypatch.setattr(database_lock, "LEASE_SECONDS", 3.0)
    with mongo.connect(database.server.uri, {}) as running, database_lock.locked(running, print):
        status, said = refresh()
    assert (status, "another run is writing" in said) == (1, True)
    assert database.updates == []


def test_the_lock_is_held_until_the_index_is_published(
    database: Database, refresh: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def publish(*_: Any, **__: Any) -> str:
        held.append(database.server.data[COLLECTION].count_documents({}))
        return ""

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(PublishedIndex, "publish", publish)
    assert refresh("--bucket", BUCKET)[0] == 0
    assert held == [1]


def test_a_run_whose_lock_was_taken_over_writes_nothing_more(
    database: Database, refresh: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in = mongo.take_in

    def taken_over(*arguments: Any) -> Any:
        database.edit(COLLECTION, {"_id": NAME}, holder="another")
        return take_in(*arguments)

    monkeypatch.setattr(refresh_module, "take_in", taken_over)
    status, said = refresh()
    assert (status, "another run has taken over the lock" in said) == (1, True)
    assert database.updates == []
    assert database.server.data[COLLECTION].find_one({"_id": NAME})["holder"] == "another"


def test_a_database_that_is_not_named_is_asked_for(refresh: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGODB_CONNECTION_STRING", raising=False)
    status, said = refresh("--database", "")
    assert (status, "MONGODB_CONNECTION_STRING, which is not set" in said) == (1, True)
    status, said = refresh("--neighbors", "0")
    assert (status, "--neighbors" in said) == (2, True)


def test_a_database_that_cannot_be_reached_or_refuses_is_said_to(database: Database, refresh: Run) -> None:
    database.server.unauthorized = True
    status, said = refresh()
    assert (status, "the database refused, with code 13 Unauthorized" in said) == (1, True)
    status, said = refresh("--database", "mongodb://editor:secret@127.0.0.1:9/?serverSelectionTimeoutMS=50")
    assert (status, "could not be used: 127.0.0.1:9" in said, "secret" in said) == (1, True, False)


def test_an_output_that_cannot_be_written_is_noticed_before_anything_is(
    database: Database, refresh: Run, tmp_path: Path
) -> None:
    status, said = refresh("--output", str(tmp_path / "nowhere" / "incident_cls.pt"))
    assert (status, "expected --output in an existing folder" in said) == (1, True)
    assert database.updates == []
