"""The pictures of the page in the documents: of the service where it gives the state, else of a stand-in.

A stand-in's picture says so in its last line, where the service names its encoder.
"""

import json
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Page, expect

from browser.visitor import OpenPage, answer_with, find, first_heading
from support.answers import STATES, Body

PICTURED = ("known", "possible", "new", "already-in", "also")
MARGIN = 16


def state_of(body: Body) -> str:
    """The state of an answer, by what an editor has to act on first."""
    if body.get("duplicates"):
        return "already-in"
    if body.get("also"):
        return "also"
    return str(body.get("verdict", {}).get("label"))


@pytest.mark.parametrize("state", PICTURED)
def test_the_pictures_in_the_documents_can_be_regenerated(
    open_page: OpenPage, page_service_url: str, pictures: Path, state: str
) -> None:
    asked = STATES[state]
    assert state_of(asked.body) == state
    question = json.dumps({"text": asked.text, "num": 3, "rank": "hybrid"}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{page_service_url}/similar", question)) as response:
        body: Body = json.load(response)["body"]
    page = open_page(viewport={"width": 900, "height": 3000}, color_scheme="light")  # high enough that nothing scrolls
    if state_of(body) != state:
        body = asked.body
        answer_with(page, json={"body": body})
    page.clock.set_fixed_time(datetime.fromisoformat(body["index"]["built_at"]) + timedelta(days=3))
    find(page, asked.text)
    expect(page.locator("time")).to_have_text("3 days ago")
    picture = pictures / f"page-{state}.png"
    page.screenshot(path=picture, clip=cropped(page, whole=state == "known"))
    assert 15_000 < picture.stat().st_size < 150_000


def cropped(page: Page, *, whole: bool) -> FloatRect:
    """The whole page with two incidents, or its results with one."""
    first_heading(page).evaluate("heading => heading.blur()")  # the picture is without the focus's outline
    surplus = page.locator(f"#cards li:nth-child(n + {3 if whole else 2})")
    surplus.evaluate_all("cards => cards.forEach(card => card.remove())")
    box = page.locator("main" if whole else "#results").bounding_box()
    assert box is not None
    x, y = box["x"] - MARGIN, box["y"] - MARGIN
    return {"x": x, "y": y, "width": box["width"] + 2 * MARGIN, "height": box["height"] + 2 * MARGIN}
