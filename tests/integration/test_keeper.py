"""The index in service follows what is published, and stays the last good one whatever fails.

S3 is moto's, in this process; tests/freshness has it as a server that fails.
"""

import hashlib
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from botocore.exceptions import ClientError
from filelock import FileLock
from moto import mock_aws

import embed
import info
import similar
from incidents.http import log as request_log
from incidents.index.incident_index import EncoderInfo, IncidentIndex
from incidents.model.encoder import Encoder
from incidents.store import bucket as published
from incidents.store import current as store
from incidents.store import keeper as index_keeper
from support.envelope import open_answer
from support.publishing import BUCKET, CREDENTIALS, index_of, make_bucket, put, saved

pytestmark = pytest.mark.usefixtures("image", "clock")

EMBED = [1.0] * 32
OTHER = EncoderInfo("another", "2", "0" * 64, 32, 40)


class Clock:
    """A clock that the tests turn on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(index_keeper, "monotonic", clock)
    return clock


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield make_bucket()


@pytest.fixture
def encoder(tiny_index: IncidentIndex) -> EncoderInfo:
    return tiny_index.encoder


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, encoder: EncoderInfo) -> Path:
    """An image with the tiny model, and an index of the incidents 1 and 2."""
    folder = tmp_path / "image" / "model"
    folder.parent.mkdir()
    folder.mkdir()
    for file in tiny_folder.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "manifest.json").write_text(json.dumps({"name": "tiny", "fingerprint": encoder.fingerprint}))
    saved(index_of(encoder, 1, 2), folder)
    monkeypatch.setattr(store, "IMAGE_FOLDER", tmp_path / "image")
    return folder


@pytest.fixture
def start(configure: Callable[..., None], tmp_path: Path) -> Callable[..., None]:
    """A function that starts the service afresh, with its cache as it is."""

    def start(**environment: str | Path) -> None:
        configure(
            INDEX_BUCKET=BUCKET, INDEX_REFRESH_SECONDS="300", TRANSFORMERS_CACHE=tmp_path / "cache", **environment
        )

    start()
    return start


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(request_log.logger.registered_handler, "stream", stream)
    return stream


def ids(event: dict[str, Any] | None = None) -> list[int]:
    status, body = open_answer(similar.handler(event or {"embed": EMBED, "num": -1}, None))
    assert status == 200, body["msg"]
    assert len(body["similar"]) == body["index"]["incidents"]
    return sorted(match["incident_id"] for match in body["similar"])


def warnings() -> list[str]:
    status, body = open_answer(info.handler({}, None))
    assert status == 200
    found: list[str] = body["warnings"]
    return found


@pytest.mark.usefixtures("start")
def test_a_newer_index_is_in_service_after_one_interval(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, clock: Clock
) -> None:
    assert ids() == [1, 2]  # nothing is published yet
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    clock.seconds += 299
    assert ids() == [1, 2]
    clock.seconds += 1
    assert ids() == [1, 2, 3]
    assert ids({"text": "w6", "num": -1}) == [1, 2, 3]
    assert warnings() == []


def test_what_was_published_is_on_the_cache_for_the_next_container(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    assert ids() == [1, 2, 3]
    monkeypatch.setattr(published.Bucket, "_download", None)  # nothing is downloaded again
    start()
    assert ids() == [1, 2, 3]
    assert warnings() == []
    s3.delete_object(Bucket=BUCKET, Key="incident_cls.pt")
    start()
    assert ids() == [1, 2, 3]


@pytest.mark.usefixtures("start")
def test_what_did_not_change_is_not_downloaded_again(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, clock: Clock
) -> None:
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    asked: list[str] = []
    s3_of_service = store.current()._bucket._s3  # type: ignore[union-attr]
    s3_of_service.meta.events.register("before-call.s3.*", lambda model, **_: asked.append(model.name))
    for _ in range(3):
        for _ in range(5):
            ids()
        clock.seconds += 300
    assert asked == ["HeadObject", "GetObject", "HeadObject", "HeadObject"]


def damaged(index: bytes) -> tuple[bytes, dict[str, str]]:
    return index[:-100], {}


def not_what_the_checksum_says(index: bytes) -> tuple[bytes, dict[str, str]]:
    return index, {"sha256": "0" * 64}


def without_a_checksum(index: bytes) -> tuple[bytes, dict[str, str]]:
    return index, {"sha256": ""}


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (damaged, "damaged or foreign"),
        (not_what_the_checksum_says, "not what its checksum says"),
        (without_a_checksum, "no sha256 in its metadata"),
    ],
)
@pytest.mark.usefixtures("start")
def test_a_damaged_object_is_refused(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, clock: Clock, log: io.StringIO,
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
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len([line for line in lines if line["level"] == "WARNING"]) == 1
    assert [line["refresh_failures"] for line in lines if "refresh_failures" in line] == [1]
    assert not list((tmp_path / "cache").rglob(f"{published.TEMPORARY}*"))


@pytest.mark.usefixtures("start")
@pytest.mark.parametrize("first", [{"embed": EMBED, "num": -1}, {"text": "w6", "num": -1}])
@pytest.mark.parametrize("metadata", [{}, {"fingerprint": OTHER.fingerprint}])
def test_an_index_of_another_encoder_is_refused(
    s3: Any, tmp_path: Path, first: dict[str, Any], metadata: dict[str, str]
) -> None:
    put(s3, saved(index_of(OTHER, 9), tmp_path / "new").read_bytes(), **metadata)
    assert ids(first) == [1, 2]
    assert ids() == ids({"text": "w6", "num": -1}) == [1, 2]
    assert "another encoder" in warnings()[0]


@pytest.mark.usefixtures("s3")
def test_an_index_of_another_encoder_on_the_cache_is_passed_over(tmp_path: Path, start: Callable[..., None]) -> None:
    saved(index_of(OTHER, 9), tmp_path / "cache" / "model")
    start()
    assert ids() == [1, 2]
    assert ids({"text": "w6", "num": -1}) == [1, 2]


@pytest.mark.usefixtures("s3")
def test_damage_on_the_cache_is_passed_over(tmp_path: Path, start: Callable[..., None]) -> None:
    (tmp_path / "cache" / "model").mkdir(parents=True)
    (tmp_path / "cache" / "model" / "incident_cls.pt").write_bytes(b"PK")
    start()
    assert ids() == [1, 2]


@pytest.mark.usefixtures("start", "s3")
def test_without_a_published_index_the_images_answers() -> None:
    assert ids() == [1, 2]
    assert warnings() == []


@pytest.mark.usefixtures("s3")
def test_without_a_bucket_the_images_answers_and_info_says_so(configure: Callable[..., None], tmp_path: Path) -> None:
    configure(INDEX_BUCKET="another-bucket", TRANSFORMERS_CACHE=tmp_path / "cache")
    store.current()._bucket._s3.meta.events.register(  # type: ignore[union-attr]
        "before-call.s3.HeadObject", lambda **_: (_ for _ in ()).throw(forbidden())
    )
    assert ids() == [1, 2]
    assert warnings() == ["The index could not be brought up to date: S3 answered 403 AccessDenied"]


def forbidden() -> ClientError:
    response = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    return ClientError(response, "HeadObject")


@pytest.mark.usefixtures("start")
def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, configure: Callable[..., None]
) -> None:
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    (tmp_path / "file").touch()
    configure(INDEX_BUCKET=BUCKET, TRANSFORMERS_CACHE=tmp_path / "file")
    assert ids() == [1, 2]
    assert warnings() == ["The index could not be brought up to date: Not a directory"]


@pytest.mark.usefixtures("start")
def test_a_full_cache_keeps_the_last_good_index(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    assert ids() == [1, 2, 3]
    put(s3, saved(index_of(encoder, 4), tmp_path / "newer").read_bytes())
    clock.seconds += 300
    with monkeypatch.context() as full:  # /dev/full takes bytes and has no room for them
        full.setattr("shutil.copyfileobj", lambda *_: Path("/dev/full").write_bytes(b"0" * 10**6))
        assert ids() == [1, 2, 3]
        assert warnings() == ["The index could not be brought up to date: No space left on device"]
    clock.seconds += 300
    assert ids() == [4]


def test_an_s3_that_is_away_is_waited_for_no_longer_than_said(
    start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(index_keeper, "PATIENCE_SECONDS", 0.2)
        monkeypatch.setattr(published, "READ_TIMEOUT_SECONDS", 3)
        start()
        waited = perf_counter()
        assert ids() == [1, 2]
        assert ids() == [1, 2]
        refresh = store.current()._keeper._refresh
        assert refresh is not None
        assert refresh.is_alive(), f"S3 was waited for: {perf_counter() - waited:.1f} s"
        refresh.join()
        assert warnings() == ["The index could not be brought up to date: ReadTimeoutError"]


def publish_model(s3: Any, name: str, folder: Path) -> None:
    """Publish a model as the README says it, under models/ and its name."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    manifest = {"name": name, "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}}
    for file, content in (files | {"manifest.json": json.dumps(manifest).encode()}).items():
        s3.put_object(Bucket=BUCKET, Key=f"models/{name}/{file}", Body=content)


def test_a_published_model_is_fetched_once(
    s3: Any, configure: Callable[..., None], tmp_path: Path, tiny_folder: Path, tiny_encoder: Encoder,
    encoder: EncoderInfo, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(store, "IMAGE_FOLDER", tmp_path / "no-image")
    publish_model(s3, "some/model", tiny_folder)
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    environment: dict[str, Any] = {"INDEX_BUCKET": BUCKET, "HF_MODEL_URI": "some/model"}
    configure(TRANSFORMERS_CACHE=tmp_path / "cache", **environment)
    assert ids({"text": "w6", "num": -1}) == [1, 2, 3]
    assert store.current().encoder().fingerprint == tiny_encoder.fingerprint
    monkeypatch.setattr(published.Bucket, "fetch_model", None)
    configure(TRANSFORMERS_CACHE=tmp_path / "cache", **environment)
    assert ids({"text": "w6", "num": -1}) == [1, 2, 3]


def test_another_name_is_another_model_and_the_old_one_stays(
    s3: Any, configure: Callable[..., None], tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function of the last deployment may go on with the old one for a while."""
    monkeypatch.setattr(store, "IMAGE_FOLDER", tmp_path / "no-image")
    publish_model(s3, "some/model", tiny_folder)
    publish_model(s3, "other/model", tiny_folder)
    for name in ("some/model", "other/model", "some/model"):
        configure(TRANSFORMERS_CACHE=tmp_path / "cache", INDEX_BUCKET=BUCKET, HF_MODEL_URI=name)
        assert store.current().encoder().name == name
        s3.delete_object(Bucket=BUCKET, Key=f"models/{name}/manifest.json")  # it is not fetched again


def test_after_a_change_of_model_the_cached_index_of_the_old_one_is_no_authority(
    s3: Any, encoder: EncoderInfo, image: Path, tmp_path: Path, start: Callable[..., None]
) -> None:
    """The image has a new model and no index, and the cache the old model's index."""
    (image / "incident_cls.pt").unlink()
    saved(index_of(OTHER, 9), tmp_path / "cache" / "model")
    start()
    status, body = open_answer(similar.handler({"text": "w6"}, None))
    assert status == 503
    assert "got one built with another 2" in body["msg"]
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes(), fingerprint=encoder.fingerprint)
    start()
    assert ids() == [1, 2, 3]
    assert ids({"text": "w6", "num": -1}) == [1, 2, 3]
    assert warnings() == []


def test_without_a_manifest_what_was_taken_is_looked_at_again_once_the_encoder_is_known(
    s3: Any, image: Path, tmp_path: Path, start: Callable[..., None]
) -> None:
    (image / "manifest.json").unlink()
    put(s3, saved(index_of(OTHER, 9), tmp_path / "new").read_bytes())
    start()
    assert ids() == [9]  # nothing says that this is wrong
    assert ids({"text": "w6", "num": -1}) == [1, 2]
    assert "another encoder" in warnings()[0]


def test_a_lock_that_nobody_gives_back_is_not_waited_for_forever(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "LOCK_TIMEOUT_SECONDS", 0.1)
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    (tmp_path / "cache" / "model").mkdir(parents=True)
    start()
    with FileLock(tmp_path / "cache" / "model" / ".incident_cls.pt.lock"):
        assert ids() == [1, 2, 3]


def test_a_refresh_that_ends_while_the_files_are_searched_wins(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    monkeypatch.setattr(index_keeper, "PATIENCE_SECONDS", 0.0)
    start()
    find = index_keeper.IndexKeeper._find

    def overtaken(keeper: index_keeper.IndexKeeper) -> IncidentIndex:
        found = find(keeper)
        assert keeper._refresh is not None
        keeper._refresh.join()
        return found

    monkeypatch.setattr(index_keeper.IndexKeeper, "_find", overtaken)
    ids()
    assert ids() == [1, 2, 3]


@pytest.mark.usefixtures("s3")
def test_a_look_that_is_about_to_begin_is_no_error_to_another_thread(
    start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[futures.Future[None]] = []

    class Late(threading.Thread):
        def start(self) -> None:
            others.append(pool.submit(store.current()._keeper._wait))
            futures.wait(others, timeout=0.2)  # it may have to wait for this thread
            super().start()

    monkeypatch.setattr(index_keeper, "Thread", Late)
    start()
    with futures.ThreadPoolExecutor(1) as pool:
        assert ids() == [1, 2]
        others[0].result()


def test_a_cache_that_is_read_only_and_up_to_date_is_no_problem(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "cache" / "model").read_bytes())
    monkeypatch.setattr(published, "_only_one", None)
    start()
    assert ids() == [1, 2, 3]
    assert warnings() == []


def test_what_is_named_outright_is_used_as_it_is(
    s3: Any, encoder: EncoderInfo, tmp_path: Path, configure: Callable[..., None], image: Path
) -> None:
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    for environment in ({"MODEL_PATH": image}, {"INDEX_PATH": image / "incident_cls.pt"}):
        configure(INDEX_BUCKET=BUCKET, TRANSFORMERS_CACHE=tmp_path / "cache", **environment)
        assert ids() == [1, 2]


def without_weights(files: dict[str, bytes]) -> None:
    del files["model.safetensors"]


def with_another_checksum(files: dict[str, bytes]) -> None:
    files["config.json"] += b" "


def with_a_path_outside(files: dict[str, bytes]) -> None:
    files["../outside"] = b""


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (without_weights, "expected model.safetensors among the files"),
        (with_another_checksum, "not what the manifest says"),
        (with_a_path_outside, "expected files inside the folder"),
        (dict.clear, "could not be fetched: S3 answered 404"),
    ],
)
def test_a_published_model_that_cannot_be_used_is_answered_with_503(
    s3: Any, configure: Callable[..., None], tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[dict[str, bytes]], None], problem: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(store, "IMAGE_FOLDER", tmp_path / "no-image")
    files = {path.name: path.read_bytes() for path in tiny_folder.iterdir()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    break_it(files)
    if files:
        listed = {name: sums.get(name, hashlib.sha256(content).hexdigest()) for name, content in files.items()}
        files["manifest.json"] = json.dumps({"name": "tiny", "files": listed}).encode()
    for name, content in files.items():
        s3.put_object(Bucket=BUCKET, Key=f"models/some/model/{name}", Body=content)
    configure(INDEX_BUCKET=BUCKET, HF_MODEL_URI="some/model", TRANSFORMERS_CACHE=tmp_path / "cache")
    answer = embed.handler({"text": "w6"}, None)
    assert answer["statusCode"] == 503
    assert problem in answer["body"]
    assert not (tmp_path / "cache" / "outside").exists()
    assert not list((tmp_path / "cache").rglob(f"{published.TEMPORARY}*"))


def test_the_encoder_may_become_known_while_the_first_index_is_fetched(
    s3: Any, encoder: EncoderInfo, image: Path, tmp_path: Path, start: Callable[..., None]
) -> None:
    """Without a manifest, and without an index in the image."""
    (image / "manifest.json").unlink()
    (image / "incident_cls.pt").unlink()
    put(s3, saved(index_of(encoder, 1, 2, 3), tmp_path / "new").read_bytes())
    start()
    assert ids({"text": "w6", "num": -1}) == [1, 2, 3]
