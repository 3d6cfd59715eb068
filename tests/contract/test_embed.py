"""/embed as callers see it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embed
import similar
from incidents.model.encoder import Encoder
from support.envelope import open_answer

pytestmark = pytest.mark.usefixtures("service")


def ask(event: Any) -> tuple[int, dict[str, Any]]:
    return open_answer(embed.handler(event, None))


def test_the_vector_is_the_encoders_and_ranks_as_the_text_does(tiny_encoder: Encoder) -> None:
    status, body = ask({"body": '{"text": "w6 w7"}'})
    assert (status, body["msg"], body["warnings"]) == (200, "Success", [])
    assert body["embedding"]["vector"] == tiny_encoder.encode("w6 w7").vector.tolist()
    by_text = open_answer(similar.handler({"text": "w6 w7"}, None))
    by_embedding = open_answer(similar.handler({"embed": json.dumps(body["embedding"]["vector"])}, None))
    assert by_text == by_embedding


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        ("abc", b"abc"),
        ("Zażółć gęślą jaźń", b"Zazolc gesla jazn"),
        (" w6\n", b" w6\n"),  # transliterated but not stripped
        ("北京", b"Bei Jing "),
    ],
)
def test_the_hash_is_the_sha1_of_the_transliterated_text(text: str, hashed: bytes) -> None:
    _, body = ask({"text": text})
    assert body["embedding"]["from_text_hash"] == hashlib.sha1(hashed).hexdigest()


def test_a_known_hash() -> None:
    # the SHA-1 of "abc" in FIPS 180-1, appendix A
    assert ask({"text": "abc"})[1]["embedding"]["from_text_hash"] == "a9993e364706816aba3e25717850c26c9cd0d89d"


def test_a_text_longer_than_the_model_reads_gets_a_warning() -> None:
    _, body = ask({"text": "w6 " * 100})
    assert body["warnings"] == ["The text has 102 tokens, of which the first 40 were used."]


def test_an_embedding_needs_no_index(configure: Callable[..., None], tiny_folder: Path, tmp_path: Path) -> None:
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "nothing.pt")
    assert ask({"text": "w6"})[0] == 200


def test_without_a_model_the_answer_is_503(configure: Callable[..., None], tmp_path: Path) -> None:
    configure(MODEL_PATH=tmp_path)
    status, body = ask({"text": "w6"})
    assert status == 503
    assert "model.safetensors: missing" in body["msg"]
