"""Write to the database in bounded batches; what fails for a moment is tried again, what fails for good is listed."""

from collections.abc import Callable
from dataclasses import dataclass
from time import sleep
from typing import Any, Final

from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import AutoReconnect, BulkWriteError, PyMongoError

BATCH: Final = 200
"""Updates sent at a time: some 2 MB of vectors."""
TRIES: Final = 5
WAIT_SECONDS: Final = 1.0
"""Before the second try; then twice as long each time."""
TRANSIENT_CODES: Final = {6, 7, 89, 91, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
"""Of errors that go by themselves: those of MongoDB's Retryable Writes specification, and 112, WriteConflict."""


@dataclass(frozen=True)
class Change:
    """What fields of one document are to be; None: no more there. `number` is a report number or an incident id."""

    collection: str
    number: int
    fields: dict[str, Any]

    @property
    def which(self) -> dict[str, int]:
        """The filter that finds the document."""
        return {"report_number" if self.collection == "reports" else "incident_id": self.number}

    @property
    def update(self) -> UpdateOne:
        """The update that makes it."""
        to_set = {name: value for name, value in self.fields.items() if value is not None}
        to_unset = dict.fromkeys(self.fields.keys() - to_set.keys(), "")
        steps = {"$set": to_set, "$unset": to_unset}
        return UpdateOne(self.which, {operator: fields for operator, fields in steps.items() if fields})

    def __str__(self) -> str:
        return f"{self.collection.removesuffix('s')} {self.number}: {', '.join(self.fields)}"


class DatabaseWriter:
    """Changes documents, and of each no field but those that it is told.

    `n_written` counts the changes that are made, `problems` lists those that the database refused; `before_batch` is
    called before each batch that is sent.
    """

    def __init__(self, database: Database[dict[str, Any]], before_batch: Callable[[], None]) -> None:
        self.problems: list[str] = []
        self.n_written = 0
        self._database = database
        self._before_batch = before_batch
        self._waiting: dict[str, list[Change]] = {}

    def write(self, change: Change) -> None:
        """Make a change, now or with the next batch.

        Raises:
            PyMongoError: the database could not be reached, after TRIES tries.
        """
        waiting = self._waiting.setdefault(change.collection, [])
        waiting.append(change)
        if len(waiting) == BATCH:
            self._send(change.collection)

    def flush(self) -> None:
        """Write what still waits.

        Raises:
            PyMongoError: the database could not be reached, after TRIES tries.
        """
        for collection in self._waiting:
            self._send(collection)

    def _send(self, collection: str) -> None:
        changes, self._waiting[collection] = self._waiting[collection], []
        if not changes:
            return
        updates = [change.update for change in changes]
        for attempt in range(TRIES):
            try:
                self._before_batch()
                self._database[collection].bulk_write(updates, ordered=False)
            except PyMongoError as error:  # writing the same again does no harm
                if _is_transient(error) and attempt < TRIES - 1:
                    sleep(WAIT_SECONDS * 2**attempt)
                    continue
                if not isinstance(error, BulkWriteError) or error.details.get("writeConcernErrors"):
                    raise
                refused = error.details["writeErrors"]
                self.problems += [f"{changes[each['index']]}: refused with code {each['code']}" for each in refused]
                self.n_written -= len(refused)
            self.n_written += len(changes)
            return


def _is_transient(error: PyMongoError) -> bool:
    if isinstance(error, BulkWriteError):
        failures = [*error.details.get("writeErrors", []), *error.details.get("writeConcernErrors", [])]
        return any(failure.get("code") in TRANSIENT_CODES for failure in failures)
    return isinstance(error, AutoReconnect) or error.has_error_label("RetryableWriteError")
