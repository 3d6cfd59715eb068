"""The page with a keyboard, on a phone, in dark mode, for a screen reader, without motion and on paper."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from browser.visitor import (
    CRUISE,
    LONG,
    ROBOTAXI,
    OpenPage,
    answer_later,
    answer_with,
    cards,
    find,
    first_heading,
    show_body,
    show_state,
    stand_in,
    text_box,
)
from support.answers import ALREADY_IN, ALSO, KNOWN, NEW, NOT_CALIBRATED, POSSIBLE


def test_the_page_works_with_only_a_keyboard(open_page: OpenPage) -> None:
    page = open_page()

    def tab_to(role: Any, name: str) -> None:
        page.keyboard.press("Tab")
        element = page.get_by_role(role, name=name)
        expect(element).to_be_focused()
        assert element.evaluate("element => getComputedStyle(element).outline").endswith("solid 3px")

    tab_to("textbox", "Text of the article or report")
    page.keyboard.type(ROBOTAXI)
    tab_to("textbox", "Address of the article (optional)")
    tab_to("combobox", "Incidents to show")
    page.keyboard.press("ArrowDown")
    tab_to("button", "Find similar incidents")
    page.keyboard.press("Enter")
    expect(cards(page)).to_have_count(5)
    expect(first_heading(page)).to_be_focused()
    tab_to("link", CRUISE)


@pytest.mark.parametrize("keys", ["Control+Enter", "Meta+Enter"])
def test_the_shortcut_searches_from_within_the_text(open_page: OpenPage, keys: str) -> None:
    page = open_page()
    box = text_box(page)
    box.press_sequentially(ROBOTAXI)
    box.press("Enter")
    expect(box).to_have_value(f"{ROBOTAXI}\n")
    expect(page.locator("#progress")).to_be_empty()
    box.press(keys)
    expect(cards(page).first).to_contain_text(CRUISE)
    expect(box).to_have_value(f"{ROBOTAXI}\n")


def show_start(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def show_results(page: Page) -> None:
    find(page, LONG)
    expect(cards(page)).to_have_count(3)


def show_error(page: Page) -> None:
    answer_with(page, status=503, headers={"Retry-After": "30"}, json={"message": "Service Unavailable"})
    find(page)
    expect(page.get_by_role("alert")).not_to_be_empty()


def show_waiting(page: Page) -> None:
    answer_later(page)
    find(page)
    expect(page.locator("#progress")).to_have_text("Searching…")


def show_known(page: Page) -> None:
    show_state(page, KNOWN)


def show_possible(page: Page) -> None:
    show_state(page, POSSIBLE)


def show_new(page: Page) -> None:
    show_state(page, NEW)


def show_every_part(page: Page) -> None:
    parts = {"duplicates": ALREADY_IN.body["duplicates"], "warnings": NOT_CALIBRATED.body["warnings"]}
    show_body(page, ALSO.body | parts, ALSO.text)


def show_stale(page: Page) -> None:
    show_every_part(page)
    text_box(page).press("!")
    expect(page.locator("#stale")).not_to_be_empty()


SHOWS = [show_start, show_results, show_error, show_waiting]
SHOWS += [show_known, show_possible, show_new, show_every_part, show_stale]
STATES = pytest.mark.parametrize("show", SHOWS)


@STATES
def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: OpenPage, show: Callable[[Page], None]) -> None:
    page = open_page(viewport={"width": 320, "height": 640}, is_mobile=True, has_touch=True)
    show(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    for element in page.locator("button:visible, input, select, textarea, li:visible").all():
        box = element.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        assert box["height"] >= 44


def test_on_a_phone_a_long_word_is_broken(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 320, "height": 640}, is_mobile=True)
    long = "a" * 300
    body = stand_in((0.9, long, f"https://example.org/{long}"), warnings=(long,))
    report = {"number": 2, "title": long, "url": f"https://example.org/{long}", "date": long}
    body["similar"][0]["why"] = {"report": report, "terms": [long], "passage": long}
    body["duplicates"] = [{"incident_id": 4, "report": report, "kind": "same_url"}]
    body["also"] = [{"incident_id": 6, "title": long, "url": "", "probability": 0.9, "passage": long}]
    show_body(page, body, f"{long} {long}")
    expect(cards(page)).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def luminance(color: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG 2.2 defines it."""
    red, green, blue = (int(part) / 255 for part in color.removeprefix("rgb(").removesuffix(")").split(","))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


COLORS_OF_TEXT = """() => [...document.body.querySelectorAll("*")]
  .filter(element => element.checkVisibility() && !element.classList.contains("unseen"))
  .filter(element => element.value || [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
  .map(element => {
    let behind = element;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    return [element.id || element.className || element.tagName, getComputedStyle(element).color,
      getComputedStyle(behind).backgroundColor];
  })"""


def test_luminance_follows_its_definition() -> None:
    assert luminance("rgb(0, 0, 0)") == 0
    assert luminance("rgb(255, 255, 255)") == pytest.approx(1)
    assert luminance("rgb(255, 0, 0)") == pytest.approx(0.2126)


@STATES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_its_background(open_page: OpenPage, show: Callable[[Page], None], scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    show(page)
    colors = page.evaluate(COLORS_OF_TEXT)
    assert len(colors) >= 6
    for name, text, behind in colors:
        darker, lighter = sorted((luminance(text), luminance(behind)))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name
    background = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert background < 0.05 if scheme == "dark" else background > 0.8


@STATES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations(open_page: OpenPage, show: Callable[[Page], None], scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    show(page)
    results = Axe().run(page)
    assert len(results.response["passes"]) >= 15
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize(("motion", "animations"), [("no-preference", 1), ("reduce", 0)])
def test_nothing_moves_with_reduced_motion(open_page: OpenPage, motion: str, animations: int) -> None:
    page = open_page(reduced_motion=motion)
    show_waiting(page)
    assert page.evaluate("document.getAnimations().length") == animations


def test_a_print_is_black_on_white_and_has_the_links(open_page: OpenPage) -> None:
    page = open_page(color_scheme="dark")
    find(page)
    expect(cards(page)).to_have_count(3)
    page.emulate_media(media="print")
    expect(page.get_by_role("button")).to_have_count(0)
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert luminance(page.evaluate("getComputedStyle(document.body).color")) < 0.05
    after = page.get_by_role("link").first.evaluate("link => getComputedStyle(link, '::after').content")
    assert after == '" https://incidentdatabase.ai/cite/726"'
