"""What a visitor of the page does and sees, and stand-ins for the service."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, Route

ROBOTAXI = "A robotaxi struck a pedestrian and dragged her along the street"
CRUISE = "Cruise robotaxi drags an injured pedestrian after a hit-and-run"
LONG = "The recruiting software preferred the applications of men. " * 40
"""40 times 9 tokens, and the 2 special tokens around a text."""

OpenPage = Callable[..., Page]


def find(page: Page, text: str = ROBOTAXI) -> None:
    page.get_by_label("Text of the article or report").fill(text)
    page.get_by_role("button", name="Find similar incidents").click()


def cards(page: Page) -> Locator:
    return page.get_by_role("list").get_by_role("listitem")


def answer_with(page: Page, **answer: Any) -> None:
    page.route("**/similar", lambda route: route.fulfill(**answer))


def answer_later(page: Page) -> list[Route]:
    """Hold back the requests to /similar; `continue_` passes one on to the service."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/similar", hold)
    return held


def stand_in(*matches: tuple[float, str, str], warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    """An answer of the service with these similarities, titles and links."""
    similar = [
        {"incident_id": number, "similarity": similarity, "title": title, "url": url}
        for number, (similarity, title, url) in enumerate(matches, start=1)
    ]
    index = {"incidents": 9, "built_at": "2026-01-01T00:00:00+00:00", "encoder": "<i>encoder</i>"}
    return {"body": {"warnings": warnings, "msg": "", "similar": similar, "index": index}}
