"""A lock in the database itself, so that two runs that write to it do not overlap, wherever they run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any, Final
from uuid import uuid4

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

COLLECTION: Final = "nlp_locks"
NAME: Final = "refresh"
LEASE_SECONDS: Final = 60.0
"""How long the lock of a run that was killed goes on to hold; a living run extends it three times as often."""


class LockedError(Exception):
    """Another run is writing to the database, or has taken the lock over."""


class DatabaseLock:
    """The lock, while it is held."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._locks = database[COLLECTION]
        self._holder = str(uuid4())

    def acquire(self) -> None:
        """Take the lock; one that nobody extends any more is waited for.

        Raises:
            LockedError: another run holds it.
        """
        seen = set()
        while not self._take():
            held = self._locks.find_one({"_id": NAME}) or {}
            seen.add(held.get("expires_at"))
            if len(seen) > 1:
                raise LockedError("another run is writing to the database")
            sleep(LEASE_SECONDS / 10)

    def extend(self) -> None:
        """Hold it for another LEASE_SECONDS.

        Raises:
            LockedError: another run has taken it over.
        """
        extended = self._locks.update_one(
            {"_id": NAME, "holder": self._holder}, {"$set": {"expires_at": _in_a_lease()}}
        )
        if extended.matched_count == 0:
            raise LockedError("another run has taken the lock over, as this one did not extend it in time")

    def release(self) -> None:
        """Let others have it."""
        self._locks.delete_one({"_id": NAME, "holder": self._holder})

    def _take(self) -> bool:
        taken = {"$set": {"holder": self._holder, "expires_at": _in_a_lease()}}
        try:
            self._locks.update_one({"_id": NAME, "expires_at": {"$lte": datetime.now(UTC)}}, taken, upsert=True)
        except DuplicateKeyError:  # it is there, and has not expired
            return False
        return True


@contextmanager
def locked(database: Database[dict[str, Any]]) -> Iterator[DatabaseLock]:
    """Hold the lock while the block runs, however long.

    Raises:
        LockedError: another run holds it.
    """
    lock, stopped = DatabaseLock(database), threading.Event()

    def keep_extending() -> None:
        while not stopped.wait(LEASE_SECONDS / 3):
            try:
                lock.extend()
            except PyMongoError:  # whoever writes extends it too, and finds out
                continue
            except LockedError:
                return

    lock.acquire()
    thread = threading.Thread(target=keep_extending, daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        stopped.set()
        thread.join()
        lock.release()


def _in_a_lease() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)
