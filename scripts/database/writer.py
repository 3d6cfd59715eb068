"""Write to the database in bounded batches; transient failures are retried, refused documents are listed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import AutoReconnect, BulkWriteError, PyMongoError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

BATCH: Final = 200
"""Updates sent at a time: about 2 MB of vectors."""
TRIES: Final = 5
WAIT_SECONDS: Final = 1.0
"""Before the second try; the wait doubles each time."""
TRANSIENT_CODES: Final = {6, 7, 89, 91, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
"""Error codes of transient failures: those of MongoDB's Retryable Writes specification, and 112, WriteConflict."""


@dataclass(frozen=True)
class Change:
    """New values for fields of one document; None removes a field. `number` is a report number or an incident id."""

    collection: str
    number: int
    fields: dict[str, Any]

    @property
    def which(self) -> dict[str, int]:
        """The filter that finds the document."""
        return {"report_number" if self.collection == "reports" else "incident_id": self.number}

    @property
    def update(self) -> UpdateOne:
        """The update that makes the change."""
        to_set = {name: value for name, value in self.fields.items() if value is not None}
        to_unset = dict.fromkeys(self.fields.keys() - to_set.keys(), "")
        steps = {"$set": to_set, "$unset": to_unset}
        return UpdateOne(self.which, {operator: fields for operator, fields in steps.items() if fields})

    def __str__(self) -> str:
        return f"{self.collection.removesuffix('s')} {self.number}: {', '.join(self.fields)}"


class DatabaseWriter:
    """Changes documents, and of each document only the fields that a change names.

    `n_written` counts the changes that were made, `problems` lists those that the database refused; `before_batch` is
    called before each batch is sent.
    """

    def __init__(self, database: Database[dict[str, Any]], before_batch: Callable[[], None]) -> None:
        self.problems: list[str] = []
        self.n_written = 0
        self._database = database
        self._before_batch = before_batch
        self._pending: dict[str, list[Change]] = {}

    def write(self, change: Change) -> None:
        """Make a change, at once or with the next batch.

        Raises:
            PyMongoError: the database could not be reached, after TRIES tries.
        """
        pending = self._pending.setdefault(change.collection, [])
        pending.append(change)
        if len(pending) == BATCH:
            self._send(change.collection)

    def flush(self) -> None:
        """Write the changes that are still pending.

        Raises:
            PyMongoError: the database could not be reached, after TRIES tries.
        """
        for collection in self._pending:
            self._send(collection)

    def _send(self, collection: str) -> None:
        changes, self._pending[collection] = self._pending[collection], []
        if not changes:
            return
        retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(multiplier=WAIT_SECONDS),
            reraise=True,
        )
        try:  # writing the same again does no harm
            retrying(self._write_batch, collection, [change.update for change in changes])
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                raise
            refused = error.details["writeErrors"]
            self.problems += [f"{changes[each['index']]}: refused with code {each['code']}" for each in refused]
            self.n_written -= len(refused)
        self.n_written += len(changes)

    def _write_batch(self, collection: str, updates: list[UpdateOne]) -> None:
        self._before_batch()
        self._database[collection].bulk_write(updates, ordered=False)


def _is_transient(error: BaseException) -> bool:
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, BulkWriteError):
        failures = [*error.details.get("writeErrors", []), *error.details.get("writeConcernErrors", [])]
        return any(failure.get("code") in TRANSIENT_CODES for failure in failures)
    return isinstance(error, AutoReconnect) or error.has_error_label("RetryableWriteError")
