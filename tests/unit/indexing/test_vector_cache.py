"""The cache of vectors: what goes in comes out, bit for bit, and a file that is not right is not used."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from incidents.model.encoder import Embedding
from scripts.indexing.vector_cache import UnusableCacheError, VectorCache
from support.full_disk import full_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "vectors.sqlite"


@pytest.fixture
def cache(path: Path) -> Iterator[VectorCache]:
    with open_cache(path) as cache:
        yield cache


def open_cache(path: Path | None, fingerprint: str = "f" * 64, width: int = 2) -> VectorCache:
    return VectorCache(path, made_by=fingerprint, width=width)


def embedding(*numbers: float) -> Embedding:
    return Embedding(torch.tensor(numbers), tokens=12, tokens_used=10)


def test_a_vector_comes_out_bit_for_bit_and_in_the_next_process_too(path: Path) -> None:
    vector = torch.tensor([0.1, -1e-42])  # the second is subnormal
    with open_cache(path) as cache:
        cache.put([(cache.key("a text"), Embedding(vector, tokens=12, tokens_used=10))])
    with open_cache(path) as cache:
        found = cache.get(VectorCache.key("a text"))
        assert (VectorCache.key("a text") in cache, VectorCache.key("a text ") in cache) == (True, False)
    assert torch.equal(found.vector, vector)
    assert (found.vector.dtype, found.tokens, found.tokens_used) == (torch.float32, 12, 10)
    assert [file.name for file in path.parent.iterdir()] == ["vectors.sqlite"]


def test_without_a_path_it_lives_as_long_as_it_is_open() -> None:
    with open_cache(None) as cache:
        cache.put([(b"key", embedding(1.0, 2.0))])
        assert cache.get(b"key").vector.tolist() == [1.0, 2.0]
    with open_cache(None) as cache:
        assert len(cache) == 0


def test_encoders_do_not_see_each_others_vectors(path: Path, cache: VectorCache) -> None:
    cache.put([(b"key", embedding(1.0, 2.0))])
    with open_cache(path, fingerprint="e" * 64, width=3) as other:
        assert b"key" not in other
        with pytest.raises(KeyError):
            other.get(b"key")
        other.put([(b"key", embedding(1.0, 2.0, 3.0))])
        assert other.prune([]) == 1
    assert cache.get(b"key").vector.tolist() == [1.0, 2.0]


def test_what_another_process_put_in_is_there_at_once(path: Path, cache: VectorCache) -> None:
    with open_cache(path) as other:
        other.put([(b"key", embedding(1.0, 2.0))])
        assert b"key" in cache


def test_pruning_forgets_what_was_not_needed(cache: VectorCache) -> None:
    cache.put([(bytes([n]), embedding(float(n), 1.0)) for n in range(10)])
    assert cache.prune([bytes([3]), bytes([5]), bytes([3]), b"unknown"]) == 8
    assert len(cache) == 2
    assert cache.get(bytes([5])).vector.tolist() == [5.0, 1.0]
    assert cache.prune([bytes([3]), bytes([5])]) == 0


# Files that are not right


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("an index, perhaps" * 100)
    with pytest.raises(UnusableCacheError, match="damaged or foreign: file is not a database; delete it"):
        open_cache(path)
    assert path.read_text() == "an index, perhaps" * 100


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 0", "PRAGMA application_id = 5"])
def test_another_database_or_version_is_refused(path: Path, statement: str) -> None:
    with open_cache(path):
        pass
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()
    with pytest.raises(UnusableCacheError, match="expected a cache of vectors, version 1, got"):
        open_cache(path)


def test_a_truncated_file_is_refused(path: Path) -> None:
    with open_cache(path) as cache:
        cache.put([(bytes([n]), embedding(float(n), 1.0)) for n in range(200)])
    content = path.read_bytes()
    for length in range(100, len(content), 1000):
        path.write_bytes(content[:length])
        with pytest.raises(UnusableCacheError, match="damaged"), open_cache(path) as cache:
            assert [cache.get(bytes([n])) for n in range(200)]


def test_a_vector_with_a_flipped_bit_is_refused(path: Path) -> None:
    with open_cache(path) as cache:
        cache.put([(b"key", embedding(1.5, 2.5))])
    content = bytearray(path.read_bytes())
    content[content.rindex(torch.tensor([1.5, 2.5]).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with (
        open_cache(path) as cache,
        pytest.raises(UnusableCacheError, match="a vector does not match its checksum; delete it"),
    ):
        cache.get(b"key")


def test_a_full_disk_keeps_what_was_there(path: Path) -> None:
    with open_cache(path) as cache:
        cache.put([(b"old", embedding(1.0, 2.0))])
        size = path.with_name("vectors.sqlite-wal").stat().st_size
        with pytest.raises(UnusableCacheError, match="cannot be used: "), full_disk(size):
            cache.put([(bytes([n]) * 1000, embedding(float(n), 1.0)) for n in range(200)])
        assert len(cache) == 1
    with open_cache(path) as cache:
        assert cache.get(b"old").vector.tolist() == [1.0, 2.0]
        assert len(cache) == 1


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(UnusableCacheError, match=r"/proc/nowhere/vectors\.sqlite cannot be used: "):
        open_cache(Path("/proc/nowhere/vectors.sqlite"))
