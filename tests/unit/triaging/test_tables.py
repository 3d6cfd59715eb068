"""The files that hold the results of a triage."""

import base64
import csv
import hashlib
import io
import json
import re
from array import array
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from scripts.triaging.articles import Article
from scripts.triaging.journal import Answer
from scripts.triaging.judging import Judgment
from scripts.triaging.results import Result, count, make_results
from scripts.triaging.tables import as_csv, as_json_lines, as_page, paths, write_tables
from support.full_disk import full_disk

REPORT = {"number": 2, "title": "Uber in Tempe", "url": "https://example.org/uber", "date": "2018-03-19"}
BODY: dict[str, Any] = {
    "warnings": ["The text has 300 tokens, of which the first 256 were used."],
    "msg": "[(0.61, 4), (0.5, 6), (-0.1, 9)]",
    "best_url": "https://incidentdatabase.ai/cite/6",
    "verdict": {"label": "known", "probability": 0.93, "incident_id": 4, "calibration": {"n": 364}},
    "similar": [
        {"incident_id": 6, "similarity": 0.6, "relevance": 0.72, "title": "TayBot", "url": "https://e.org/cite/6"},
        {
            "incident_id": 4, "similarity": 0.61234567, "relevance": 0.71, "title": "Uber kills <pedestrian>",
            "url": "https://e.org/cite/4", "date": "2018-03-18", "reports": 3,
            "why": {"report": REPORT, "terms": ["uber", "tempe"], "passage": "…"},
        },
        {"incident_id": 9, "similarity": -0.1, "relevance": 0.0, "title": "NY schools", "url": "https://e.org/cite/9"},
    ],
    "duplicates": [{"incident_id": 4, "report": REPORT, "kind": "near_text", "overlap": 0.8}],
    "also": [{"incident_id": 6, "title": "TayBot", "url": "https://e.org/6", "probability": 0.9, "passage": "A & B"}],
    "index": {"incidents": 67},
}  # fmt: skip
OLD_BODY: dict[str, Any] = {
    "warnings": [],
    "msg": "[(-0.25, 4)]",
    "similar": [{"incident_id": 4, "similarity": -0.25, "title": "Uber", "url": "https://e.org/cite/4"}],
}
"""An answer without any of the newer fields."""


def results_of(*judgments: Judgment) -> list[Result]:
    return make_results(judgments, [[position] for position in range(len(judgments))])


def answered(article: Article, body: dict[str, Any]) -> Judgment:
    return Judgment(article, Answer(body, array("f", [1.0])))


@pytest.fixture
def results() -> list[Result]:
    judgments = [
        answered(Article("a1", "t", "A title", "https://example.org/a1", "2026-01-02"), BODY),
        answered(Article("a2", "u"), OLD_BODY),
        Judgment(Article("a3", "v", "Long"), None, "expected a `text` of at most 2 characters, got 3"),
    ]
    return make_results(judgments, [[0, 2], [1]])


def rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline="")))


def test_the_table_has_the_verdict_and_the_best_incidents(results: list[Result]) -> None:
    known, old, refused = rows(as_csv(results))
    assert known == {
        "id": "a1", "title": "A title", "url": "https://example.org/a1", "date": "2026-01-02",
        "label": "known", "probability": "0.9300",
        "incident_id": "4", "incident_title": "Uber kills <pedestrian>", "incident_url": "https://e.org/cite/4",
        "similarity": "0.6123", "relevance": "0.7100",
        "second_id": "6", "second_title": "TayBot", "third_id": "9", "third_title": "NY schools",
        "already_in": "incident 4, report 2 (near_text)", "also": "6", "same_event": "a3",
        "warnings": "The text has 300 tokens, of which the first 256 were used.", "error": "",
    }  # fmt: skip
    filled = {column: cell for column, cell in old.items() if cell}
    assert filled == {
        "id": "a2", "label": "no verdict", "incident_id": "4", "incident_title": "Uber",
        "incident_url": "https://e.org/cite/4", "similarity": "-0.2500",
    }  # fmt: skip
    filled = {column: cell for column, cell in refused.items() if cell}
    error = "expected a `text` of at most 2 characters, got 3"
    assert filled == {"id": "a3", "title": "Long", "label": "refused", "same_event": "a1", "error": error}


def test_json_lines_have_the_answer_in_full_and_no_text(results: list[Result]) -> None:
    known, old, refused = map(json.loads, as_json_lines(results).splitlines())
    assert known["verdict"] == BODY["verdict"]
    assert known["similar"] == [BODY["similar"][1], BODY["similar"][0], BODY["similar"][2]]
    assert (known["duplicates"], known["also"]) == (BODY["duplicates"], BODY["also"])
    assert (known["id"], known["same_event"]) == ("a1", ["a3"])
    assert (old["verdict"], old["probability"], old["duplicates"]) == (None, None, [])
    assert (refused["label"], refused["similar"]) == ("refused", [])
    assert all("text" not in line for line in (known, old, refused))
    assert known.keys() == old.keys() == refused.keys()


def test_the_counts(results: list[Result]) -> None:
    assert count(results, [[0, 2], [1]]) == {
        "articles": 3, "known": 1, "possible": 0, "new": 0, "no verdict": 1, "refused": 1, "already in": 1,
        "groups": 1,
    }  # fmt: skip


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\uff1d1", "-5;x"])
def test_a_cell_is_no_formula(cell: str) -> None:
    (row,) = rows(as_csv(results_of(answered(Article(cell, "t", cell), OLD_BODY | {"warnings": [cell]}))))
    assert (row["id"], row["title"], row["warnings"]) == (f"'{cell}", f"'{cell}", f"'{cell}")


class Page(HTMLParser):
    """The links of a page, the names of its elements, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.links: list[str | None] = []
        self.elements: list[str] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_every_result(results: list[Result]) -> None:
    page = Page(as_page(results, count(results, [[0, 2], [1]]), "queue.csv"))
    text = " ".join(page.text.split())
    for shown in (
        "articles 3, known 1, possible 0", "known probability 0.93 already in", "Uber kills <pedestrian>",
        "incident 4, 2018-03-18, 3 reports, relevance 0.71, similarity 0.61", "Shared: uber, tempe",
        "Nearly the same text as report 2: Uber in Tempe of incident 4", "Same event: a3", "A & B",
        "Note: The text has 300 tokens", "Article a2", "expected a `text` of at most 2 characters, got 3",
    ):  # fmt: skip
        assert shown in text, shown
    assert page.elements.count("tr") == 4
    assert {"https://example.org/a1", "https://e.org/cite/4", "https://example.org/uber", "#row-3"} <= set(page.links)


def test_nothing_in_an_article_or_answer_becomes_a_part_of_the_page() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    url = "javascript:alert(1)"
    report = {"number": evil, "title": evil, "url": url, "date": evil}
    match = {"incident_id": 4, "similarity": 0.5, "title": evil, "url": url, "date": evil}
    body = {
        "warnings": [evil],
        "verdict": {"label": "known", "probability": 0.5, "incident_id": 4},
        "similar": [match | {"why": {"report": report, "terms": [evil], "passage": evil}}],
        "duplicates": [{"incident_id": 4, "report": report, "kind": evil, "overlap": 1.0}],
        "also": [match | {"probability": 0.5, "passage": evil}],
    }
    one = answered(Article(evil, "t", evil, url, evil), body)
    other = Judgment(Article("data:text/html,x", "t", "", "data:text/html,x"), None, evil)
    page = Page(as_page(make_results([one, other], [[0, 1]]), {evil: 2}, evil))
    assert (page.elements.count("script"), page.elements.count("img")) == (1, 0)
    assert set(page.links) == {"#row-1", "#row-2"}


def test_the_pages_policy_allows_its_own_script_and_style_alone(results: list[Result]) -> None:
    content = as_page(results, {}, "queue.csv")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', content)
    assert policy
    assert policy[1].startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        (element,) = re.findall(rf"<{tag}>(.*?)</{tag}>", content, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(element.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy[1]


def test_files_are_written_or_stay_as_they_were(results: list[Result], tmp_path: Path) -> None:
    prefix = tmp_path / "queue.triage"
    names = ["queue.triage.csv", "queue.triage.html", "queue.triage.jsonl"]
    assert sorted(path.name for path in paths(prefix)) == names
    for path in paths(prefix):
        path.write_text("the old one")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_tables(results, {}, "queue.csv", prefix)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert {path.read_text() for path in paths(prefix)} == {"the old one"}
    write_tables(results, {}, "queue.csv", prefix)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert paths(prefix)[0].read_bytes().startswith(b"\xef\xbb\xbfid,title,")
