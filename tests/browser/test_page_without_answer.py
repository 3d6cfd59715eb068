"""The page while it waits, and after an error or no answer."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.visitor import CRUISE, OpenPage, answer_later, answer_with, cards, find, first_heading, text_box

INDEX = Path(__file__).resolve().parents[2] / "models" / "minilm" / "incident_cls.pt"


# When there is no answer


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_an_empty_text_is_not_sent_and_the_message_says_so(open_page: OpenPage, text: str) -> None:
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    find(page, text)
    box = text_box(page)
    expect(page.get_by_role("alert")).to_have_text("The text box is empty: paste or type a text first.")
    expect(box).to_be_focused()
    expect(box).to_have_attribute("aria-invalid", "true")
    assert "error" in (box.get_attribute("aria-describedby") or "").split()
    page.keyboard.type("A")
    expect(page.get_by_role("alert")).to_be_empty()
    assert box.get_attribute("aria-invalid") is None
    assert sent == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\x01\x7f", "The service answered with status 400: expected text with content"),
        (
            "A" * 200_001,
            "The service answered with status 413: expected a `text` of at most 200000 characters, got 200001",
        ),
    ],
)
def test_the_page_shows_the_services_error_message(open_page: OpenPage, text: str, message: str) -> None:
    page = open_page()
    find(page)
    expect(cards(page)).to_have_count(3)
    find(page, text)
    expect(page.get_by_role("alert")).to_contain_text(message)
    expect(cards(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()


def test_after_503_the_visitor_can_retry_after_the_services_delay(
    open_page: OpenPage, start_service: Callable[[Path], AbstractContextManager[str]], tmp_path: Path
) -> None:
    """The service's index is damaged at first, and is replaced without a restart."""
    index = tmp_path / "incident_cls.pt"
    index.write_bytes(b"PK")
    with start_service(index) as url:
        page = open_page(url)
        page.clock.install()
        find(page)
        expect(page.get_by_role("alert")).to_contain_text("incident_cls.pt: damaged or foreign")
        again = page.get_by_role("button", name="Try again")
        expect(again).to_have_text("Try again in 30 s")
        expect(again).to_be_disabled()
        page.clock.run_for(29_000)
        expect(again).to_have_text("Try again in 1 s")
        shutil.copy(INDEX, index)
        page.clock.run_for(1_000)
        again.click()
        expect(cards(page).first).to_contain_text(CRUISE)
        expect(again).to_be_hidden()
        expect(first_heading(page)).to_be_focused()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"status": 429, "json": {"message": "Too Many Requests"}}, "status 429: Too Many Requests"),
        ({"status": 503, "json": {"message": "Service Unavailable"}}, "status 503: Service Unavailable"),
        ({"status": 500, "json": {"message": "Internal Server Error"}}, "status 500: Internal Server Error"),
        ({"status": 502, "body": "<h1>Bad Gateway</h1>"}, "status 502: no answer that this page can read"),
        ({"status": 504, "json": None}, "status 504: no answer that this page can read"),
    ],
)
def test_the_page_shows_errors_from_in_front_of_the_service(
    open_page: OpenPage, answer: dict[str, Any], message: str
) -> None:
    """Stand-ins, because only API Gateway or a proxy sends these."""
    page = open_page()
    answer_with(page, **answer)
    find(page)
    expect(page.get_by_role("alert")).to_have_text(f"The service answered with {message}")
    page.unroute("**/similar")
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(cards(page).first).to_contain_text(CRUISE)
    expect(page.get_by_role("alert")).to_be_empty()


def test_an_answer_without_incidents_is_an_error(open_page: OpenPage) -> None:
    """A stand-in, because an index has at least one incident."""
    page = open_page()
    answer_with(page, json={"similar": []})
    find(page)
    expect(page.get_by_role("alert")).to_have_text(
        "The service answered with status 200: no answer that this page can read"
    )


def test_without_a_network_the_visitor_can_retry(open_page: OpenPage) -> None:
    page = open_page()
    page.context.set_offline(True)
    find(page)
    expect(page.get_by_role("alert")).to_have_text("The service could not be reached.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(cards(page).first).to_contain_text(CRUISE)


# While it waits


def test_a_slow_answer_is_explained(open_page: OpenPage) -> None:
    page = open_page()
    page.clock.install()
    held = answer_later(page)
    find(page)
    progress = page.locator("#progress")
    expect(progress).to_have_text("Searching…")
    expect(progress).to_have_role("status")
    page.clock.run_for(4_000)
    expect(progress).to_contain_text("Still searching. A service that was idle has to start first")
    held[0].continue_()
    expect(cards(page).first).to_contain_text(CRUISE)
    expect(progress).to_be_empty()


def test_after_35_seconds_without_an_answer_the_visitor_can_retry(open_page: OpenPage) -> None:
    page = open_page()
    page.clock.install()
    answer_later(page)
    find(page)
    expect(page.locator("#progress")).to_have_text("Searching…")
    page.clock.run_for(60_000)
    expect(page.get_by_role("alert")).to_have_text("No answer came within 35 seconds.")
    expect(page.get_by_role("button", name="Try again", exact=True)).to_be_enabled()


def test_a_search_is_not_sent_twice(open_page: OpenPage) -> None:
    page = open_page()
    held = answer_later(page)
    find(page)
    button = page.get_by_role("button", name="Find similar incidents")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    button.press("Enter")
    text_box(page).press("Control+Enter")
    held[0].continue_()
    expect(cards(page)).to_have_count(3)
    expect(button).to_have_attribute("aria-disabled", "false")
    assert len(held) == 1


def test_a_visitor_who_keeps_typing_keeps_the_focus(open_page: OpenPage) -> None:
    page = open_page()
    held = answer_later(page)
    find(page)
    box = text_box(page)
    box.press_sequentially("!")
    held[0].continue_()
    expect(page.locator("#progress")).to_contain_text("3 incidents found.")
    expect(page.locator("#stale")).to_contain_text("These results belong to the text and address before your edit.")
    expect(box).to_be_focused()
