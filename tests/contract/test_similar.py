"""/similar as callers see it: events in, proxy answers out; bad input is in test_bad_input.py."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import similar
from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from support.envelope import open_answer
from support.tiny import make_index

pytestmark = pytest.mark.usefixtures("service")


def ask(event: Any) -> tuple[int, dict[str, Any]]:
    return open_answer(similar.handler(event, None))


def ids(body: dict[str, Any]) -> list[int]:
    return [match["incident_id"] for match in body["similar"]]


def post(fields: Any, **others: Any) -> dict[str, Any]:
    return {"body": fields if isinstance(fields, str) else json.dumps(fields)} | others


@pytest.fixture
def embed(tiny_encoder: Encoder) -> list[float]:
    """The embedding of incident 60's text, as numbers."""
    numbers: list[float] = tiny_encoder.encode("w6").vector.tolist()
    return numbers


# Where fields are read from


@pytest.mark.parametrize(
    "event",
    [
        {"text": "w6"},
        post({"text": "w6"}),
        post({"text": "w6"}, headers={"content-type": "text/plain"}),
        {"body": {"text": "w6"}},
        {"body": base64.b64encode(b'{"text": "w6"}').decode(), "isBase64Encoded": True},
        {"queryStringParameters": {"text": "w6"}},
        {"queryStringParameters": {"text": '"w6"'}},
        {"queryStringParameters": {"text": "w6"}, "body": None},
        {"queryStringParameters": {"text": "w6"}, "body": ""},
        {"queryStringParameters": {"text": "w6"}, "body": "", "isBase64Encoded": True},
        {"queryStringParameters": {"text": "w6"}, "body": "null"},
        {"queryStringParameters": {"text": "w6"}, "body": "{}"},
        {"text": "w6", "body": '{"text": "w7"}', "queryStringParameters": {"text": "w8"}},
        {"body": '{"text": "w6"}', "queryStringParameters": {"text": "w8"}},
        {"body": '{"text": null}', "queryStringParameters": {"text": "w6"}},
    ],
)
def test_a_text_is_read_from_the_event_then_the_body_then_the_query_string(event: dict[str, Any]) -> None:
    status, body = ask(event)
    assert (status, ids(body)[0], body["warnings"]) == (200, 60, [])
    assert body["similar"][0]["similarity"] == pytest.approx(1.0)


def test_quotes_are_dropped_only_from_the_text_in_a_query_string() -> None:
    kept = ask({"text": '"w6"'})[1]["similar"][0]["similarity"]
    assert kept < 0.999  # "w6" with its quotes is an unknown word
    assert ask({"queryStringParameters": {"text": '""w6""'}})[1]["similar"][0]["similarity"] == pytest.approx(kept)


def test_fields_may_come_from_different_places() -> None:
    status, body = ask({"body": '{"text": "w6"}', "queryStringParameters": {"num": "1"}})
    assert (status, ids(body)) == (200, [60])


@pytest.mark.parametrize("levels", range(1, 11))
def test_an_embedding_may_be_quoted_up_to_ten_times(embed: list[float], levels: int) -> None:
    value: Any = embed
    for _ in range(levels):
        value = json.dumps(value)
    for event in ({"embed": value}, post({"embed": value}), {"queryStringParameters": {"embed": value}}):
        status, body = ask(event)
        assert (status, ids(body)[0]) == (200, 60)


def test_an_embedding_may_be_a_list(embed: list[float]) -> None:
    assert ask({"embed": embed})[1] == ask(post({"embed": embed}))[1]
    assert ids(ask({"embed": embed})[1])[0] == 60


def test_a_text_takes_precedence_over_an_embedding_with_a_warning(embed: list[float]) -> None:
    status, body = ask({"text": "w7", "embed": embed})
    assert (status, ids(body)[0]) == (200, 70)
    assert body["warnings"] == ["Both `text` and `embed` were given; `embed` was not used."]


def test_an_embedding_needs_no_model(configure: Callable[..., None], embed: list[float], tmp_path: Path) -> None:
    configure(INDEX_PATH=tmp_path / "incident_cls.pt", MODEL_PATH=tmp_path / "nowhere")
    assert ids(ask({"embed": embed})[1])[0] == 60


# num


@pytest.mark.parametrize(
    ("num", "expected"),
    [
        (1, 1),
        ("2", 2),
        (" 2 ", 2),
        ("+2", 2),
        ("\x1c2\n", 2),
        (3, 3),
        (4, 4),
        (5, 4),
        ("99999999999999999999", 4),
        (-1, 4),
        ("-7", 4),
    ],
)
def test_num_is_the_number_of_incidents(num: Any, expected: int) -> None:
    for event in ({"text": "w6", "num": num}, post({"text": "w6", "num": num})):
        status, body = ask(event)
        assert (status, len(body["similar"]), body["warnings"]) == (200, expected, [])


def test_without_num_there_are_three() -> None:
    assert len(ask({"text": "w6"})[1]["similar"]) == 3


@pytest.mark.parametrize(
    "num", ["", "three", "1.0", 1.0, True, None, [], {}, "0x3", "٣", "1_0", "9" * 5000, "+", "\x1c2_", "1 2"]
)
def test_a_num_that_is_not_a_whole_number_gives_three_and_a_warning(num: Any) -> None:
    status, body = ask({"text": "w6", "num": num})
    assert (status, len(body["similar"])) == (200, 3)
    assert body["warnings"] == ['Provided value for "num" invalid, using default of 3.']


@pytest.mark.parametrize("num", [0, "0", "-0"])
def test_zero_gives_none_and_a_warning(num: Any) -> None:
    status, body = ask({"text": "w6", "num": num})
    assert (status, body["similar"], body["msg"], len(body["warnings"])) == (200, [], "[]", 1)
    assert "best_url" not in body


# The answer


def test_msg_is_pythons_list_and_becomes_json_with_brackets() -> None:
    _, body = ask({"text": "w6", "num": -1})
    pairs = json.loads(body["msg"].replace("(", "[").replace(")", "]"))
    assert pairs == [[match["similarity"], match["incident_id"]] for match in body["similar"]]
    assert body["msg"] == str([(float(similarity), int(incident_id)) for similarity, incident_id in pairs])
    assert [similarity for similarity, _ in pairs] == sorted((similarity for similarity, _ in pairs), reverse=True)
    assert {incident_id for _, incident_id in pairs} == {50, 60, 70, 80}


def test_similar_has_titles_and_links_and_the_answer_names_its_index() -> None:
    _, body = ask({"text": "w6", "num": 1})
    (match,) = body["similar"]
    assert match["title"] == "Incident 60"
    assert match["url"] == body["best_url"] == "https://incidentdatabase.ai/cite/60"
    version = body["index"].pop("version")
    assert re.fullmatch("[0-9a-f]{12}", version)
    assert body["index"] == {"incidents": 4, "built_at": "2026-01-02T03:04:05+00:00", "encoder": "tiny"}


def test_ties_have_the_larger_id_first(
    configure: Callable[..., None], tiny_index: IncidentIndex, tiny_folder: Path, tmp_path: Path
) -> None:
    save_index(make_index({n: torch.ones(32) for n in (3, 11, 2, 7)}, tiny_index.encoder), tmp_path / "ties.pt")
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "ties.pt")
    assert ids(ask({"text": "w6"})[1]) == [11, 7, 3]


def test_a_text_is_transliterated_and_stripped() -> None:
    assert ask({"text": " ẃ6\n"}) == ask({"text": "w6"})


def test_a_text_longer_than_the_encoder_reads_gives_a_warning() -> None:
    status, body = ask({"text": "w6 " * 50})
    assert (status, body["warnings"]) == (200, ["The text has 52 tokens, of which the first 40 were used."])


# Without a model or an index

EMBED = [0.5] * 32


def check_unavailable(answer: dict[str, Any], message: str) -> None:
    status, body = open_answer(answer)
    assert status == 503
    assert message in body["msg"]
    assert int(answer["headers"]["Retry-After"]) > 0


def test_without_a_model_the_answer_is_503(configure: Callable[..., None], tmp_path: Path) -> None:
    configure(MODEL_PATH=tmp_path, INDEX_PATH=tmp_path / "incident_cls.pt")
    check_unavailable(similar.handler({"text": "w6"}, None), "model.safetensors: missing")


def test_without_an_index_the_answer_is_503(configure: Callable[..., None], tiny_folder: Path, tmp_path: Path) -> None:
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "nothing.pt")
    check_unavailable(similar.handler({"text": "w6"}, None), "nothing.pt: missing")
    check_unavailable(similar.handler({"embed": EMBED}, None), "nothing.pt: missing")


def test_a_damaged_index_is_answered_with_503_until_it_is_replaced(
    configure: Callable[..., None], tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path
) -> None:
    path = tmp_path / "damaged.pt"
    path.write_bytes(b"PK")
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=path)
    check_unavailable(similar.handler({"text": "w6"}, None), "damaged or foreign")
    save_index(tiny_index, path)
    assert ask({"text": "w6"})[0] == 200


def test_an_index_of_another_encoder_is_answered_with_503_for_a_text(
    configure: Callable[..., None], tiny_folder: Path, tmp_path: Path
) -> None:
    other = EncoderInfo("another", "2", "0" * 64, 32, 40)
    save_index(make_index({9: torch.ones(32)}, other), tmp_path / "other.pt")
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "other.pt")
    answer = similar.handler({"text": "w6"}, None)
    check_unavailable(answer, "got one built with another 2 (000000000000)")
    assert str(tmp_path) not in answer["body"]
    assert ask({"embed": EMBED})[0] == 200
