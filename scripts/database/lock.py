"""A lock in the database itself, so that two runs that write to it do not overlap, wherever they run."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Final
from uuid import uuid4

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

COLLECTION: Final = "nlp_locks"
NAME: Final = "refresh"
LEASE_SECONDS: Final = 60.0
"""A lock that is not extended expires after this time. A running job extends it every third of it."""


class LockedError(Exception):
    """Another run is writing to the database, or has taken over the lock."""


class DatabaseLock:
    """A lock is a document that its holder keeps changing.

    A waiter times on its own clock how long the document stays unchanged, so clocks need not agree.
    """

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._locks = database[COLLECTION]
        self._holder = str(uuid4())

    def acquire(self, say: Callable[[str], None]) -> None:
        """Take the lock; if it looks abandoned, wait until that is certain, and `say` so.

        Raises:
            LockedError: another run holds it.
        """
        first, since = None, monotonic()
        while not self._take():
            held = self._locks.find_one({"_id": NAME})
            if held is None:
                continue
            if first is None:
                first, since = held, monotonic()
                say(f"The database is locked since {held.get('extended_at')}; waiting to see if the holder still runs")
            if held != first:
                raise LockedError("another run is writing to the database")
            if monotonic() - since >= LEASE_SECONDS:  # unchanged, so that only one of several waiters deletes it
                self._locks.delete_one({"_id": NAME} | {key: held.get(key) for key in ("holder", "extended_at")})
                continue
            sleep(LEASE_SECONDS / 10)

    def extend(self) -> None:
        """Hold it for another LEASE_SECONDS.

        Raises:
            LockedError: another run has taken it over.
        """
        mine = {"_id": NAME, "holder": self._holder}
        if self._locks.update_one(mine, {"$set": {"extended_at": datetime.now(UTC)}}).matched_count == 0:
            raise LockedError("another run has taken over the lock, as this one did not extend it in time")

    def release(self) -> None:
        """Release the lock."""
        self._locks.delete_one({"_id": NAME, "holder": self._holder})

    def _take(self) -> bool:
        try:
            self._locks.insert_one({"_id": NAME, "holder": self._holder, "extended_at": datetime.now(UTC)})
        except DuplicateKeyError:
            return False
        return True


@contextmanager
def locked(database: Database[dict[str, Any]], say: Callable[[str], None]) -> Iterator[DatabaseLock]:
    """Hold the lock while the block runs, however long; `say` reports a wait.

    Raises:
        LockedError: another run holds it.
    """
    lock, stopped = DatabaseLock(database), threading.Event()

    def keep_extending() -> None:
        while not stopped.wait(LEASE_SECONDS / 3):
            try:
                lock.extend()
            except PyMongoError:  # the writer extends it too, and fails if it is lost
                continue
            except LockedError:
                return

    lock.acquire(say)
    thread = threading.Thread(target=keep_extending, daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        stopped.set()
        thread.join()
        lock.release()
