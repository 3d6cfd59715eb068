"""Write to the database in bounded batches; what fails for a moment is tried again, what fails for good is listed."""

from collections.abc import Callable
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


class DatabaseWriter:
    """Sets fields of documents, and of each no field but those.

    `problems` lists the updates that the database refused; `before_batch` is called before each batch that is sent.
    """

    def __init__(self, database: Database[dict[str, Any]], before_batch: Callable[[], None]) -> None:
        self.problems: list[str] = []
        self.n_written = 0
        self._database = database
        self._before_batch = before_batch
        self._waiting: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}

    def set(self, collection: str, which: dict[str, Any], fields: dict[str, Any]) -> None:
        """Set fields of the document that `which` names, now or with the next batch.

        Raises:
            PyMongoError: the database could not be reached, after TRIES tries.
        """
        waiting = self._waiting.setdefault(collection, [])
        waiting.append((which, fields))
        if len(waiting) == BATCH:
            self._send(collection)

    def flush(self) -> None:
        """Write what still waits.

        Raises:
            PyMongoError: the database could not be reached, after TRIES tries.
        """
        for collection in self._waiting:
            self._send(collection)

    def _send(self, collection: str) -> None:
        updates, self._waiting[collection] = self._waiting[collection], []
        if not updates:
            return
        operations = [UpdateOne(which, {"$set": fields}) for which, fields in updates]
        for attempt in range(TRIES):
            self._before_batch()
            try:
                self._database[collection].bulk_write(operations, ordered=False)
                self.n_written += len(operations)
                return
            except BulkWriteError as error:
                refused = error.details.get("writeErrors", [])
                for each in refused:
                    which = ", ".join(f"{key} {value}" for key, value in updates[each["index"]][0].items())
                    self.problems.append(f"{collection}, {which}: refused with code {each.get('code')}")
                self.n_written += len(operations) - len(refused)
                return
            except PyMongoError as error:  # writing the same again does no harm
                if not _is_transient(error) or attempt == TRIES - 1:
                    raise
                sleep(WAIT_SECONDS * 2**attempt)


def _is_transient(error: PyMongoError) -> bool:
    return isinstance(error, AutoReconnect) or error.has_error_label("RetryableWriteError")
