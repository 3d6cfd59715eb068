"""Vectors of texts that were embedded before, so that only new and edited texts are embedded again.

A SQLite file. The key of a vector is what made it, see `EncoderPool.made_by`, and the SHA-256 of the prepared text.
Entries never become stale, but their last bits may differ on another CPU or with another torch.
"""

import hashlib
import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import torch

from incidents.model.encoder import Embedding

APPLICATION_ID: Final = 0x41494456
"""Identifies the file among SQLite files; in ASCII: AIDV."""
SCHEMA_VERSION: Final = 1
SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS vectors (
    fingerprint TEXT NOT NULL, text_sha256 BLOB NOT NULL,
    vector BLOB NOT NULL, crc32 INTEGER NOT NULL, -- float32 numbers, and their checksum
    tokens INTEGER NOT NULL, tokens_used INTEGER NOT NULL, -- 0 if a source had the vector
    PRIMARY KEY (fingerprint, text_sha256)
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
WAIT_SECONDS: Final = 60
"""How long to wait while another process writes."""


class UnusableCacheError(Exception):
    """The cache file is damaged or foreign, or cannot be written; the message says what to do."""


class VectorCache:
    """The vectors of one encoder; without a path, in a temporary file.

    `put` hands vectors to the operating system before it returns, so killing the process afterwards loses none. A power
    cut may lose the last ones.

    Raises:
        UnusableCacheError: the file cannot be used; every method can raise it.
    """

    def __init__(self, path: Path | None, *, made_by: str, width: int) -> None:
        self._path = path
        self._made_by = made_by
        self._width = width
        with self._explained():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path or "", timeout=WAIT_SECONDS, isolation_level=None)
            self._open_schema()
            if path is not None:
                self._database.execute("PRAGMA journal_mode = WAL")  # a commit only appends
                self._database.execute("PRAGMA synchronous = NORMAL")  # without waiting for the disk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @staticmethod
    def key(prepared: str) -> bytes:
        """The key of a prepared text's vector."""
        return hashlib.sha256(prepared.encode()).digest()

    def __contains__(self, key: bytes) -> bool:
        query = "SELECT 1 FROM vectors WHERE fingerprint = ? AND text_sha256 = ?"
        with self._explained():
            return self._database.execute(query, (self._made_by, key)).fetchone() is not None

    def __len__(self) -> int:
        """The number of vectors."""
        query = "SELECT COUNT(*) FROM vectors WHERE fingerprint = ?"
        with self._explained():
            return int(self._database.execute(query, (self._made_by,)).fetchone()[0])

    def get(self, key: bytes) -> Embedding:
        """The embedding under a key.

        Raises:
            KeyError: there is none.
        """
        query = "SELECT vector, crc32, tokens, tokens_used FROM vectors WHERE fingerprint = ? AND text_sha256 = ?"
        with self._explained():
            row = self._database.execute(query, (self._made_by, key)).fetchone()
            if row is None:
                raise KeyError(key.hex())
            vector, crc32, tokens, tokens_used = row
            if len(vector) != 4 * self._width or zlib.crc32(vector) != crc32:
                raise sqlite3.DatabaseError("a vector does not match its checksum")
        return Embedding(torch.frombuffer(bytearray(vector), dtype=torch.float32), tokens, tokens_used)

    def put(self, embeddings: Iterable[tuple[bytes, Embedding]]) -> None:
        """Keep embeddings, each under its key: all of them or, if that fails, none."""
        rows = []
        for key, embedding in embeddings:
            vector = array("f", embedding.vector.tolist()).tobytes()
            rows.append((self._made_by, key, vector, zlib.crc32(vector), embedding.tokens, embedding.tokens_used))
        with self._explained(), self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?, ?)", rows)

    def prune(self, used: Iterable[bytes]) -> int:
        """Remove this encoder's other vectors; return how many were removed."""
        with self._explained():
            self._database.execute("CREATE TEMP TABLE used (text_sha256 BLOB PRIMARY KEY)")
            with self._transaction():
                self._database.executemany("INSERT OR IGNORE INTO used VALUES (?)", ((key,) for key in used))
                removed = self._database.execute(
                    "DELETE FROM vectors WHERE fingerprint = ? AND text_sha256 NOT IN (SELECT text_sha256 FROM used)",
                    (self._made_by,),
                ).rowcount
            self._database.execute("DROP TABLE used")
            self._database.execute("VACUUM")
        return removed

    def _open_schema(self) -> None:
        """Create the table of a new file; check that an old file is a vector cache."""

        def pragma(name: str) -> int:
            return int(self._database.execute(f"PRAGMA {name}").fetchone()[0])

        if pragma("schema_version") == 0:
            self._database.executescript(SCHEMA)
        elif (found := (pragma("application_id"), pragma("user_version"))) != (APPLICATION_ID, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"expected a cache of vectors, version {SCHEMA_VERSION}, got {found}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:  # SQLite rolls back by itself on a full disk
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:  # the system's fault, not the file's
            raise UnusableCacheError(f"{self._path or 'the temporary cache'} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise UnusableCacheError(
                f"{self._path}: damaged or foreign: {error}; delete it, or name another with --cache"
            ) from error
