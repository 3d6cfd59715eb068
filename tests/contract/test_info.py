"""/info as callers see it."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

import info
from incidents.model.encoder import Encoder
from incidents.names import VERSION
from support.envelope import open_answer

pytestmark = pytest.mark.usefixtures("service")


def test_info_describes_the_service(tiny_encoder: Encoder, tmp_path: Path) -> None:
    status, body = open_answer(info.handler({}, None))
    age = (datetime.now(UTC) - datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)).total_seconds()
    assert body["index"].pop("age_seconds") == pytest.approx(age, abs=60)
    assert (status, body) == (
        200,
        {
            "warnings": [],
            "msg": "Success",
            "version": VERSION,
            "encoder": {
                "name": "tiny",
                "revision": "1",
                "fingerprint": tiny_encoder.fingerprint,
                "width": 32,
                "token_limit": 40,
            },
            "index": {
                "incidents": 4,
                "reports": 4,
                "built_at": "2026-01-02T03:04:05+00:00",
                "source": "a test",
                "version": sha256((tmp_path / "incident_cls.pt").read_bytes()).hexdigest()[:12],
            },
        },
    )


def test_no_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "load", None)  # calling it fails
    assert info.handler({}, None)["statusCode"] == 200


def test_without_an_index_the_answer_is_503(configure: Callable[..., None], tmp_path: Path) -> None:
    configure(INDEX_PATH=tmp_path / "nothing.pt")
    status, body = open_answer(info.handler({}, None))
    assert status == 503
    assert "nothing.pt: missing" in body["msg"]
