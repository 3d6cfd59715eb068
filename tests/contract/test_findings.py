"""What /similar says for an editor: verdict, reasons, duplicates and further incidents, from an index with reports."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embed
import info
import similar
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from support.envelope import open_answer
from support.reported import N_INCIDENTS, N_REPORTS, report_text

COPY = report_text(7, 2)
"""The second report of incident 70."""


@pytest.fixture(autouse=True)
def reported_service(
    configure: Callable[..., None], tiny_folder: Path, reported_index: IncidentIndex, tmp_path: Path
) -> None:
    save_index(reported_index, tmp_path / "incident_cls.pt")
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "incident_cls.pt")


def ask(**fields: Any) -> dict[str, Any]:
    status, body = open_answer(similar.handler(fields, None))
    assert status == 200, body
    return body


def refused(**fields: Any) -> str:
    status, body = open_answer(similar.handler(fields, None))
    assert status == 400
    return str(body["msg"])


# rank


def test_cosine_is_the_default_and_has_no_relevance() -> None:
    assert ask(text=COPY) == ask(text=COPY, rank="cosine")
    body = ask(text=COPY)
    cosines = [match["similarity"] for match in body["similar"]]
    assert cosines == sorted(cosines, reverse=True)
    assert not any("relevance" in match for match in body["similar"])


def test_hybrid_orders_by_relevance_and_similarity_stays_the_cosine() -> None:
    cosines = {match["incident_id"]: match["similarity"] for match in ask(text=COPY, num=-1)["similar"]}
    hybrid = ask(text=COPY, num=-1, rank="hybrid")["similar"]
    relevances = [match["relevance"] for match in hybrid]
    assert relevances == sorted(relevances, reverse=True)
    assert all(0 <= relevance < 1 for relevance in relevances)
    assert {match["incident_id"]: match["similarity"] for match in hybrid} == cosines
    assert [match["incident_id"] for match in hybrid] != list(cosines)
    assert hybrid[0]["incident_id"] == 70


@pytest.mark.parametrize("rank", ["cosine", "hybrid"])
@pytest.mark.parametrize("num", [0, 1, 5, N_INCIDENTS, -1])
def test_msg_says_the_same_as_similar(rank: str, num: int) -> None:
    body = ask(text=COPY, rank=rank, num=num)
    pairs = json.loads(body["msg"].replace("(", "[").replace(")", "]"))
    assert pairs == [[match["similarity"], match["incident_id"]] for match in body["similar"]]
    assert len(pairs) == (N_INCIDENTS if num < 0 else num)


@pytest.mark.parametrize(
    ("rank", "got"),
    [("Cosine", "'Cosine'"), ("best", "'best'"), (5, "a number"), (["hybrid"], "a list"), (True, "a boolean")],
)
def test_any_other_rank_is_refused(rank: Any, got: str) -> None:
    assert refused(text="w6", rank=rank) == f"expected `rank` to be 'cosine' or 'hybrid', got {got}"


@pytest.mark.parametrize("rank", [None, ""])
def test_an_empty_rank_counts_as_missing(rank: Any) -> None:
    assert ask(text=COPY, rank=rank) == ask(text=COPY)


def test_a_query_string_may_have_rank_and_url() -> None:
    event = {"queryStringParameters": {"text": COPY, "rank": "hybrid", "url": "https://news.example/9/1"}}
    body = open_answer(similar.handler(event, None))[1]
    assert body == ask(text=COPY, rank="hybrid", url="https://news.example/9/1")


# verdict


def test_a_known_text_is_known() -> None:
    verdict = ask(text=COPY)["verdict"]
    assert (verdict["label"], verdict["incident_id"]) == ("known", 70)
    assert verdict["probability"] >= verdict["calibration"]["known_from"]


def test_an_unknown_text_is_new_and_names_no_incident() -> None:
    verdict = ask(text="a recipe for chocolate cake without eggs")["verdict"]
    assert verdict["label"] == "new"
    assert "incident_id" not in verdict
    assert verdict["probability"] < verdict["calibration"]["new_below"]


def test_the_verdict_is_the_same_for_both_ranks_and_any_num() -> None:
    verdict = ask(text=COPY)["verdict"]
    for fields in ({"rank": "hybrid"}, {"num": 0}, {"num": -1, "rank": "hybrid"}):
        assert ask(text=COPY, **fields)["verdict"] == verdict


def test_the_calibration_says_what_it_was_fitted_on(reported_index: IncidentIndex) -> None:
    calibration = ask(text=COPY)["verdict"]["calibration"]
    assert calibration["n"] == 2 * N_INCIDENTS * N_REPORTS
    assert calibration["built_at"] == reported_index.built_at
    assert 0.5 < calibration["auroc"] <= 1
    assert 0 <= calibration["ece"] < 0.5
    assert (calibration["odds"], calibration["known_error"], calibration["new_error"]) == ("equal", 0.05, 0.1)
    assert open_answer(info.handler({}, None))[1]["calibration"] == calibration


def test_an_embedding_has_a_verdict_of_its_own(tiny_encoder: Encoder) -> None:
    vector = tiny_encoder.encode(COPY).vector.tolist()
    body = ask(embed=vector)
    assert body["verdict"]["label"] in {"known", "possible", "new"}
    assert body["verdict"]["calibration"] != ask(text=COPY)["verdict"]["calibration"]
    assert body["warnings"] == []


# why, duplicates, also


def test_each_match_says_why() -> None:
    best = ask(text=COPY, rank="hybrid")["similar"][0]
    report = {"number": 702, "title": "Report 2 on 7", "url": "https://news.example/7/2", "date": "2025-01-02"}
    assert (best["date"], best["reports"], best["why"]["report"]) == ("2025-01-01", N_REPORTS, report)
    assert set(best["why"]["terms"]) >= {word for word in COPY.split() if not word.startswith("w")}
    assert set(best["why"]["terms"]) < set(COPY.split())  # other incidents have some of its words
    assert best["why"]["passage"] == COPY


def test_an_incident_may_have_an_address_of_its_own() -> None:
    urls = {match["incident_id"]: match["url"] for match in ask(text=COPY, num=-1)["similar"]}
    assert urls.pop(20) == "https://incidents.example/20"
    assert all(url == f"https://incidentdatabase.ai/cite/{incident_id}" for incident_id, url in urls.items())


def test_a_report_that_is_already_in_is_a_duplicate() -> None:
    (duplicate,) = ask(text=COPY)["duplicates"]
    assert (duplicate["incident_id"], duplicate["report"]["number"]) == (70, 702)
    assert (duplicate["kind"], duplicate["overlap"]) == ("same_text", 1.0)


@pytest.mark.parametrize(
    "url", ["https://news.example/7/2", "http://www.news.example/7/2/?utm_source=x#top", "https://NEWS.example/7/2"]
)
def test_a_report_at_the_same_address_is_a_duplicate(url: str) -> None:
    body = ask(text="another w6 text", url=url)
    (duplicate,) = body["duplicates"]
    assert (duplicate["incident_id"], duplicate["kind"]) == (70, "same_url")
    assert (body["verdict"]["label"], body["verdict"]["incident_id"]) == ("known", 70)
    assert body["verdict"]["probability"] >= 0.99


def test_an_embedding_finds_duplicates_by_address_only(tiny_encoder: Encoder) -> None:
    vector = tiny_encoder.encode(COPY).vector.tolist()
    assert ask(embed=vector)["duplicates"] == []
    assert [found["kind"] for found in ask(embed=vector, url="https://news.example/7/2")["duplicates"]] == ["same_url"]
    best = ask(embed=vector)["similar"][0]
    assert (best["why"]["terms"], best["why"]["passage"]) == ([], "")
    assert best["why"]["report"]["number"] // 100 == best["incident_id"] // 10


def test_a_url_must_be_a_string_and_not_too_long() -> None:
    assert refused(text="w6", url=5) == "expected `url` to be a string, got a number"
    status, body = open_answer(similar.handler({"text": "w6", "url": "x" * 10_001}, None))
    assert (status, body["msg"]) == (413, "expected a `url` of at most 10000 characters, got 10001")


def test_other_incidents_of_a_text_are_listed_with_their_passages() -> None:
    paragraphs = ["\n".join([report_text(incident, number) for number in (1, 2, 3)]) for incident in (3, 11, 19)]
    body = ask(text="\n\n".join(paragraphs).replace("\n", "\n\n"), rank="hybrid")
    named = {body["verdict"].get("incident_id"), *(other["incident_id"] for other in body["also"])}
    assert named >= {30, 110, 190}
    for other in body["also"]:
        assert other["probability"] >= body["verdict"]["calibration"]["known_from"]
        assert other["passage"] in " ".join(paragraphs).replace("\n", " ")
        assert re.fullmatch("https://incidentdatabase.ai/cite/[0-9]+", other["url"])


# What stays as it was


def test_the_two_calls_of_the_website_work_as_before(tiny_encoder: Encoder, reported_index: IncidentIndex) -> None:
    embedding = open_answer(embed.handler({"body": json.dumps({"text": COPY})}, None))[1]["embedding"]
    answer = open_answer(similar.handler({"body": json.dumps({"num": "3", "embed": str(embedding["vector"])})}, None))[
        1
    ]
    expected = reported_index.rank(tiny_encoder.encode(COPY).vector, 3)
    assert answer["msg"] == str([(match.similarity, match.incident_id) for match in expected])
    assert answer["warnings"] == []


def test_an_index_without_reports_ranks_and_decides_nothing(
    configure: Callable[..., None], tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path
) -> None:
    save_index(tiny_index, tmp_path / "old.pt")
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "old.pt")
    body = ask(text="w6")
    assert body["verdict"] == {"label": "possible", "probability": 0.5, "incident_id": 60}
    assert body["warnings"] == []
    assert set(body["similar"][0]) == {"incident_id", "similarity", "title", "url"}
    hybrid = ask(text="w6", rank="hybrid")
    assert hybrid["similar"][0]["incident_id"] == 60
    assert hybrid["warnings"][0].startswith("This index holds no reports")
