"""The page that a triage writes, in headless Chromium, opened as a file."""

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from scripts.triaging.articles import Article
from scripts.triaging.journal import Answer
from scripts.triaging.judging import Judgment
from scripts.triaging.results import count, make_results
from scripts.triaging.tables import as_page

REPORT = {"number": 2, "title": "Uber in Tempe", "url": "https://example.org/uber", "date": "2018-03-19"}
MATCH: dict[str, Any] = {
    "incident_id": 4, "similarity": 0.61, "relevance": 0.71, "title": "Uber kills pedestrian",
    "url": "https://example.org/cite/4", "date": "2018-03-18", "reports": 3,
    "why": {"report": REPORT, "terms": ["uber", "tempe"], "passage": "…"},
}  # fmt: skip


def judgment(article_id: str, label: str, probability: float) -> Judgment:
    body = {
        "warnings": ["The text has 300 tokens, of which the first 256 were used."],
        "verdict": {"label": label, "probability": probability},
        "similar": [MATCH],
        "duplicates": [{"incident_id": 4, "report": REPORT, "kind": "same_url", "overlap": 0.8}],
        "also": [MATCH | {"probability": 0.9, "passage": "A second incident"}],
    }
    return Judgment(Article(article_id, "t", f"Title {article_id}"), Answer(body, array("f", [1.0])))


@pytest.fixture
def open_triage(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """A function that opens the page of a triage; after the test, it checks that no script failed."""
    complaints: list[str] = []

    def open_it(**options: Any) -> Page:
        judgments = [
            judgment("one", "possible", 0.5), judgment("two", "new", 0.1), judgment("three", "known", 0.9),
            judgment("four", "new", 0.15), Judgment(Article("five", "t"), None, "too long"),
        ]  # fmt: skip
        events = [[0], [1, 2], [3], [4]]
        results = make_results(judgments, events)
        (tmp_path / "queue.html").write_text(as_page(results, count(results, events), "queue.csv"), encoding="utf-8")
        page = chromium.new_page(**options)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((tmp_path / "queue.html").as_uri())
        return page

    yield open_it
    assert complaints == []


def titles(page: Page) -> list[str]:
    return page.locator("tbody tr:visible .title").all_inner_texts()


def test_articles_are_filtered_and_ordered_by_verdict(open_triage: Callable[..., Page]) -> None:
    page = open_triage()
    assert titles(page) == ["Title one", "Title two", "Title three", "Title four", "Article five"]
    page.get_by_label("Order").select_option("by verdict")
    assert titles(page) == ["Title three", "Title one", "Title two", "Title four", "Article five"]
    page.get_by_label("Order").select_option("by probability")
    assert titles(page) == ["Title three", "Title one", "Title four", "Title two", "Article five"]
    page.get_by_label("Show").select_option("new")
    assert titles(page) == ["Title four", "Title two"]
    expect(page.get_by_role("status")).to_have_text("2 of 5 articles shown")


def test_a_link_to_an_article_that_is_not_shown_shows_it(open_triage: Callable[..., Page]) -> None:
    page = open_triage()
    page.get_by_label("Show").select_option("new")
    page.get_by_role("link", name="three", exact=True).click()
    expect(page.locator("#row-3")).to_be_visible()
    expect(page.locator("#row-3")).to_be_in_viewport()


def test_without_javascript_every_article_is_shown(open_triage: Callable[..., Page]) -> None:
    page = open_triage(java_script_enabled=False)
    assert len(titles(page)) == 5
    expect(page.get_by_label("Show")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_no_violations(open_triage: Callable[..., Page], scheme: str, width: int) -> None:
    page = open_triage(color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page)
    assert len(found.response["passes"]) >= 10
    assert found.violations_count == 0, found.generate_report()
