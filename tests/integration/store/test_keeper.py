"""The index in service follows the published one; after any failure, the last good index stays in service.

S3 is moto's, in this process; tests/freshness runs it as a server that fails.
"""

import socket
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

import similar
from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import load_index
from incidents.index.incident_index import IncidentIndex
from incidents.store import bucket, keeper
from support.envelope import open_answer
from support.in_service import BY_EMBEDDING, BY_TEXT, ids, warnings
from support.log import Log
from support.polling import wait_until
from support.publishing import CREDENTIALS, index_of, put, saved

OTHER = EncoderInfo("another", "2", "0" * 64, 32, 40)


class Clock:
    """A clock that the tests advance."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(keeper, "monotonic", clock)
    return clock


@pytest.fixture
def publish(s3: Any, tmp_path: Path) -> Callable[..., None]:
    """A function that publishes an index: publish(encoder, 1, 2, fingerprint=…); the rest is metadata."""

    def publish(encoder: EncoderInfo, *incident_ids: int, **metadata: str) -> None:
        put(s3, saved(index_of(encoder, *incident_ids), tmp_path / "to-publish").read_bytes(), **metadata)

    return publish


# When the service checks


@pytest.mark.usefixtures("start")
def test_a_newer_index_is_in_service_after_one_interval(
    publish: Callable[..., None], encoder: EncoderInfo, clock: Clock
) -> None:
    assert ids() == [1, 2]  # nothing is published yet
    publish(encoder, 1, 2, 3)
    clock.seconds += 299
    assert ids() == [1, 2]
    clock.seconds += 1
    assert ids() == [1, 2, 3]
    assert ids(BY_TEXT) == [1, 2, 3]
    assert warnings() == []


@pytest.mark.usefixtures("start")
def test_an_unchanged_index_is_not_downloaded_again(
    publish: Callable[..., None], encoder: EncoderInfo, clock: Clock, asked: list[str]
) -> None:
    publish(encoder, 1, 2, 3)
    for _ in range(3):
        for _ in range(5):
            ids()
        clock.seconds += 300
    assert asked == ["HeadObject", "GetObject", "HeadObject", "HeadObject"]


@pytest.mark.usefixtures("start", "s3")
def test_without_a_published_index_the_image_answers() -> None:
    assert ids() == [1, 2]
    assert warnings() == []


def test_explicit_paths_override_the_published_index(
    publish: Callable[..., None], encoder: EncoderInfo, start: Callable[..., None], image: Path
) -> None:
    publish(encoder, 1, 2, 3)
    for environment in ({"MODEL_PATH": image}, {"INDEX_PATH": image / "incident_cls.pt"}):
        start(**environment)
        assert ids() == [1, 2]


# When a check fails


def damaged(index: bytes) -> tuple[bytes, dict[str, str]]:
    return index[:-100], {}


def with_another_checksum(index: bytes) -> tuple[bytes, dict[str, str]]:
    return index, {"sha256": "0" * 64}


def without_a_checksum(index: bytes) -> tuple[bytes, dict[str, str]]:
    return index, {"sha256": ""}


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (damaged, "damaged or foreign"),
        (with_another_checksum, "does not match its checksum"),
        (without_a_checksum, "no sha256 in its metadata"),
    ],
)
@pytest.mark.usefixtures("start")
def test_a_damaged_object_is_refused(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, cache: Path, clock: Clock, log: Log,
    break_it: Callable[[bytes], tuple[bytes, dict[str, str]]], problem: str,
) -> None:  # fmt: skip
    good = saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes()
    put(s3, good)
    assert ids() == [1, 2, 3]
    content, metadata = break_it(saved(index_of(encoder, 4), tmp_path / "bad").read_bytes())
    put(s3, content, **metadata)
    clock.seconds += 300
    assert ids() == [1, 2, 3]
    assert problem in warnings()[0]
    put(s3, good)
    clock.seconds += 300
    assert ids() == [1, 2, 3]
    assert warnings() == []
    assert len([line for line in log.lines if line["level"] == "WARNING"]) == 1
    assert [line["refresh_failures"] for line in log.lines if "refresh_failures" in line] == [1]
    assert not list(cache.rglob(f"{bucket.TEMPORARY}*"))


@pytest.mark.usefixtures("start")
def test_info_reports_that_s3_denies_access(session: Any) -> None:
    def deny(**_: Any) -> None:
        response = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(response, "HeadObject")

    session.events.register("before-call.s3.HeadObject", deny)
    assert ids() == [1, 2]
    assert warnings() == ["The index could not be brought up to date: S3 answered 403 AccessDenied"]


def test_the_service_answers_without_a_writable_cache(
    publish: Callable[..., None], encoder: EncoderInfo, start: Callable[..., None], cache: Path
) -> None:
    publish(encoder, 1, 2, 3)
    cache.touch()
    start()
    assert ids() == [1, 2]
    assert warnings() == ["The index could not be brought up to date: Not a directory"]


@pytest.mark.usefixtures("start")
def test_a_full_cache_keeps_the_last_good_index(
    publish: Callable[..., None], encoder: EncoderInfo, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(encoder, 1, 2, 3)
    assert ids() == [1, 2, 3]
    publish(encoder, 4)
    clock.seconds += 300
    with monkeypatch.context() as full:  # writing to /dev/full fails as on a full disk
        full.setattr("shutil.copyfileobj", lambda *_: Path("/dev/full").write_bytes(b"0" * 10**6))
        assert ids() == [1, 2, 3]
        assert warnings() == ["The index could not be brought up to date: No space left on device"]
    clock.seconds += 300
    assert ids() == [4]


def test_only_the_first_request_waits_for_an_s3_that_hangs(
    start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.8)
        monkeypatch.setattr(bucket, "READ_TIMEOUT_SECONDS", 4)
        start()
        seconds = []
        for _ in range(4):
            begin = perf_counter()
            assert ids() == [1, 2]
            seconds.append(perf_counter() - begin)
        assert warnings() == [], "the check has ended already"
        assert seconds[0] >= 0.7
        assert min(seconds[1:]) < 0.4
        wait_until(lambda: warnings() != [])
        assert warnings() == ["The index could not be brought up to date: ReadTimeoutError"]


# Another encoder's index


@pytest.mark.usefixtures("start")
@pytest.mark.parametrize("first", [BY_EMBEDDING, BY_TEXT])
@pytest.mark.parametrize("metadata", [{}, {"fingerprint": OTHER.fingerprint}])
def test_an_index_of_another_encoder_is_refused_at_every_check(
    publish: Callable[..., None], clock: Clock, first: dict[str, Any], metadata: dict[str, str]
) -> None:
    publish(OTHER, 9, **metadata)
    for _ in range(3):
        assert ids(first) == [1, 2]
        assert ids() == ids(BY_TEXT) == [1, 2]
        assert "another encoder" in warnings()[0]
        clock.seconds += 300


@pytest.mark.usefixtures("s3")
def test_an_index_of_another_encoder_on_the_cache_is_skipped(cache: Path, start: Callable[..., None]) -> None:
    saved(index_of(OTHER, 9), cache / "model")
    start()
    assert ids() == [1, 2]
    assert ids(BY_TEXT) == [1, 2]


@pytest.mark.usefixtures("s3")
def test_a_damaged_index_on_the_cache_is_skipped(cache: Path, start: Callable[..., None]) -> None:
    (cache / "model").mkdir(parents=True)
    (cache / "model" / "incident_cls.pt").write_bytes(b"PK")
    start()
    assert ids() == [1, 2]


def test_after_a_change_of_model_the_old_models_cached_index_is_not_used(
    publish: Callable[..., None], encoder: EncoderInfo, image: Path, cache: Path, start: Callable[..., None]
) -> None:
    """The image has the new model without an index, and the cache has the old model's index."""
    (image / "incident_cls.pt").unlink()
    saved(index_of(OTHER, 9), cache / "model")
    start()
    status, body = open_answer(similar.handler({"text": "w6"}, None))
    assert status == 503
    assert "got one built with another 2" in body["msg"]
    publish(encoder, 1, 2, 3, fingerprint=encoder.fingerprint)
    start()
    assert ids() == [1, 2, 3]
    assert ids(BY_TEXT) == [1, 2, 3]
    assert warnings() == []


def test_an_accepted_index_is_checked_again_once_the_encoder_is_known(
    publish: Callable[..., None], image: Path, start: Callable[..., None]
) -> None:
    """Without a manifest, the encoder is known only when it is loaded."""
    (image / "manifest.json").unlink()
    publish(OTHER, 9)
    start()
    assert ids() == [9]
    assert ids(BY_TEXT) == [1, 2]
    assert "another encoder" in warnings()[0]


def test_the_encoder_may_become_known_while_the_first_index_is_fetched(
    publish: Callable[..., None], encoder: EncoderInfo, image: Path, start: Callable[..., None]
) -> None:
    (image / "manifest.json").unlink()
    (image / "incident_cls.pt").unlink()
    publish(encoder, 1, 2, 3)
    start()
    assert ids(BY_TEXT) == [1, 2, 3]


def test_an_index_that_turns_out_foreign_while_it_is_fetched_is_checked_again(
    publish: Callable[..., None], image: Path, start: Callable[..., None], clock: Clock, session: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (image / "manifest.json").unlink()
    publish(OTHER, 9)
    encoder_is_known = threading.Event()

    def hold(**_: Any) -> None:
        encoder_is_known.wait(60)

    session.events.register("before-call.s3.GetObject", hold)
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.0)
    start()
    assert ids(BY_TEXT) == [1, 2]
    encoder_is_known.set()

    def is_refused() -> bool:
        clock.seconds += 300
        assert ids() == [1, 2]
        return "another encoder" in "".join(warnings())

    wait_until(is_refused)


# Several threads


def test_an_index_that_arrives_while_the_files_are_searched_is_used(
    publish: Callable[..., None], encoder: EncoderInfo, start: Callable[..., None], log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def load_slowly(path: Path) -> IncidentIndex:
        index = load_index(path)
        wait_until(lambda: "is in service" in log.getvalue())
        return index

    publish(encoder, 1, 2, 3)
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "load_index", load_slowly)
    start()
    assert ids() == [1, 2, 3]
    assert ids() == [1, 2, 3]


@pytest.mark.usefixtures("s3")
def test_a_request_may_come_while_another_one_starts_a_check(
    start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[futures.Future[list[int]]] = []

    class Late(threading.Thread):
        def start(self) -> None:
            if not others:
                others.append(pool.submit(ids))
                futures.wait(others, timeout=0.2)  # the other request may have to wait for this thread
            super().start()

    monkeypatch.setattr(keeper, "Thread", Late)
    start()
    with futures.ThreadPoolExecutor(1) as pool:
        assert ids() == [1, 2]
        assert others[0].result() == [1, 2]
