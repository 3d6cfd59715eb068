"""Publishing an index: what is verified, what is refused, and the way back. S3 is moto's, in this process."""

import base64
import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import load_index
from incidents.index.incident_index import IncidentIndex
from scripts import publish_index
from support.publishing import BUCKET, index_of, put, saved

OTHER = EncoderInfo("another", "2", "0" * 64, 32, 40)

Run = Callable[..., tuple[int, str]]
OnS3 = Callable[[str, Callable[..., None]], None]


@pytest.fixture
def on_s3(monkeypatch: pytest.MonkeyPatch) -> OnS3:
    """Call a function at an event of every S3 client that is made from now on."""
    session = boto3.Session()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    register: OnS3 = session.events.register
    return register


@pytest.fixture
def run(s3: Any, capsys: pytest.CaptureFixture[str]) -> Run:  # noqa: ARG001
    """The command line: gives its exit status and all it says."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        command = "rollback" if "--rollback" in arguments else "publish"
        given = [str(argument) for argument in arguments if argument != "--rollback"]
        status = publish_index.main([command, "--bucket", BUCKET, *given])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


@pytest.fixture
def file(tmp_path: Path, tiny_index: IncidentIndex) -> Callable[..., Path]:
    """A function that makes the file of an index: file(1, 2, 3)."""

    def file(*ids: int, encoder: EncoderInfo = tiny_index.encoder) -> Path:
        return saved(index_of(encoder, *ids), tmp_path / f"{encoder.name}-{len(ids)}-{ids[0]}")

    return file


def published(s3: Any, tmp_path: Path) -> list[int]:
    """The incidents of the published index."""
    (tmp_path / "published.pt").write_bytes(s3.get_object(Bucket=BUCKET, Key="incident_cls.pt")["Body"].read())
    return load_index(tmp_path / "published.pt").ids.tolist()


def test_an_index_is_published_with_what_readers_need(s3: Any, run: Run, file: Callable[..., Path]) -> None:
    status, said = run(file(1, 2))
    assert (status, said[:16]) == (0, "Published index ")
    assert "with 2 incidents as version" in said
    head = s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")
    version = load_index(file(1, 2)).version
    assert head["Metadata"]["sha256"][:12] == version
    assert head["Metadata"]["incidents"] == "2"
    assert head["Metadata"]["built-at"] == "2026-01-02T03:04:05+00:00"


def test_what_already_is_published_is_left_alone(s3: Any, run: Run, file: Callable[..., Path]) -> None:
    run(file(1, 2))
    status, said = run(file(1, 2))
    assert status == 0
    assert "already is the published one" in said
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 1


@pytest.mark.parametrize(
    ("count", "options", "is_published"),
    [(9, (), True), (8, (), False), (8, ("--max-loss-percent", "20"), True), (8, ("--force",), True), (30, (), True)],
)
def test_an_index_must_not_lose_too_many_incidents(
    s3: Any,
    run: Run,
    file: Callable[..., Path],
    tmp_path: Path,
    count: int,
    options: tuple[str, ...],
    is_published: bool,
) -> None:
    run(file(*range(1, 11)))
    status, said = run(file(*range(1, count + 1)), *options)
    assert status == (0 if is_published else 1)
    assert len(published(s3, tmp_path)) == (count if is_published else 10)
    if not is_published:
        assert "expected at most 10 % fewer incidents than the published 10, got 8" in said


@pytest.mark.parametrize("percent", ["nan", "-1", "100.5", "inf"])
def test_an_invalid_loss_is_refused(s3: Any, run: Run, file: Callable[..., Path], tmp_path: Path, percent: str) -> None:
    run(file(1, 2))
    status, said = run(file(1), f"--max-loss-percent={percent}")
    assert status == 2
    assert "--max-loss-percent" in said
    assert published(s3, tmp_path) == [1, 2]


def test_an_index_of_another_encoder_is_refused(s3: Any, run: Run, file: Callable[..., Path], tmp_path: Path) -> None:
    run(file(1, 2))
    status, said = run(file(3, 4, encoder=OTHER))
    assert status == 1
    assert "got one of another (000000000000)" in said
    assert published(s3, tmp_path) == [1, 2]
    assert run(file(3, 4, encoder=OTHER), "--force")[0] == 0
    assert published(s3, tmp_path) == [3, 4]


def test_what_says_nothing_of_itself_is_replaced_by_force_only(s3: Any, run: Run, file: Callable[..., Path]) -> None:
    put(s3, b"something")
    status, said = run(file(1, 2))
    assert (status, "lacks fingerprint, incidents in its metadata" in said) == (1, True)
    assert run(file(1, 2), "--force")[0] == 0


def test_a_damaged_file_is_not_published(s3: Any, run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"PK")
    status, said = run(tmp_path / "bad.pt")
    assert (status, "damaged or foreign" in said) == (1, True)
    with pytest.raises(ClientError):
        s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")


@pytest.mark.parametrize("at_first", [True, False])
def test_what_another_published_meanwhile_is_not_replaced(
    s3: Any, run: Run, file: Callable[..., Path], tmp_path: Path, on_s3: OnS3, at_first: bool
) -> None:
    if not at_first:
        run(file(1, 2))
    overtake(on_s3, s3, file(5, 6, 7))
    status, said = run(file(1, 2, 3), "--force")
    assert (status, "published in the meantime" in said) == (1, True)
    assert published(s3, tmp_path) == [5, 6, 7]


def test_a_rollback_does_not_replace_what_another_published_meanwhile(
    s3: Any, run: Run, file: Callable[..., Path], tmp_path: Path, on_s3: OnS3
) -> None:
    run(file(1, 2))
    run(file(1, 2, 3))
    overtake(on_s3, s3, file(5, 6, 7))
    status, said = run("--rollback", "--force")
    assert (status, "published in the meantime" in said) == (1, True)
    assert published(s3, tmp_path) == [5, 6, 7]


def overtake(on_s3: OnS3, s3: Any, file: Path) -> None:
    """Publish a file right after the first look at what is published."""
    looks = itertools.count()

    def publish_after_the_first(**_: Any) -> None:
        if next(looks) == 0:
            put(s3, file.read_bytes())

    on_s3("after-call.s3.HeadObject", publish_after_the_first)


def test_a_rollback_brings_back_what_was_there_before(
    s3: Any, run: Run, file: Callable[..., Path], tmp_path: Path
) -> None:
    run(file(1, 2))
    run(file(1, 2, 3))
    status, said = run("--rollback", "--force")
    assert (status, "with 2 incidents as version" in said) == (0, True)
    assert published(s3, tmp_path) == [1, 2]
    assert s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")["Metadata"]["incidents"] == "2"


def test_each_rollback_goes_further_back(s3: Any, run: Run, file: Callable[..., Path], tmp_path: Path) -> None:
    for last in (1, 2, 3):
        run(file(*range(1, 10 + last)))
    assert run("--rollback")[0] == 0
    assert len(published(s3, tmp_path)) == 11
    assert run("--rollback")[0] == 0
    assert len(published(s3, tmp_path)) == 10
    assert run("--rollback") == (1, "Not published: there is no earlier version that differs from what is published\n")
    run(file(*range(1, 14)))
    assert run("--rollback", "--force")[0] == 0  # to what was in service before, which was the first
    assert len(published(s3, tmp_path)) == 10
    assert run("--rollback")[0] == 1


def test_a_rollback_to_a_version_that_is_named(s3: Any, run: Run, file: Callable[..., Path], tmp_path: Path) -> None:
    for count in (2, 3, 4):
        run(file(*range(1, count + 1)))
    versions = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    assert run("--rollback", versions[-1]["VersionId"], "--max-loss-percent", "50")[0] == 0
    assert published(s3, tmp_path) == [1, 2]


def test_what_is_sent_has_a_checksum_that_s3_verifies(run: Run, file: Callable[..., Path], on_s3: OnS3) -> None:
    """moto does not verify it, so this test only sees that it is sent."""
    sent: list[str] = []
    on_s3("before-call.s3.PutObject", lambda params, **_: sent.append(params["headers"]["x-amz-checksum-sha256"]))
    run(file(1, 2))
    assert sent == [base64.b64encode(hashlib.sha256(file(1, 2).read_bytes()).digest()).decode()]


def test_a_rollback_is_verified_like_any_other(s3: Any, run: Run, file: Callable[..., Path], tmp_path: Path) -> None:
    put(s3, b"garbage")
    run(file(1, 2), "--force")
    status, said = run("--rollback")
    assert (status, "damaged or foreign" in said) == (1, True)
    run(file(3, 4, encoder=OTHER), "--force")
    versions = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    status, said = run("--rollback", versions[1]["VersionId"])
    assert (status, "expected an index of the published one's encoder" in said) == (1, True)
    assert published(s3, tmp_path) == [3, 4]
    assert run("--rollback", versions[1]["VersionId"], file(1, 2))[0] == 2


def test_a_rollback_without_an_earlier_version_is_refused(run: Run, file: Callable[..., Path]) -> None:
    run(file(1, 2))
    assert run("--rollback") == (1, "Not published: there is no earlier version that differs from what is published\n")
    assert run("--rollback", "00000000-0000-0000-0000-000000000000")[0] == 1


def test_without_a_bucket_the_command_says_what_it_expects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("INDEX_BUCKET", raising=False)
    assert publish_index.main(["publish"]) == 2
    assert "INDEX_BUCKET" in capsys.readouterr().err
