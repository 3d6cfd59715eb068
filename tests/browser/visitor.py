"""What a visitor of the page does and sees, and stand-ins for the service."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, Route

from support.answers import Body, State

ROBOTAXI = "A robotaxi struck a pedestrian and dragged her along the street"
CRUISE = "Cruise robotaxi drags an injured pedestrian after a hit-and-run"
LONG = "The recruiting software preferred the applications of men. " * 40
"""40 times 9 tokens, and the 2 special tokens around a text."""

OpenPage = Callable[..., Page]


def text_box(page: Page) -> Locator:
    return page.get_by_label("Text of the article or report")


def address_box(page: Page) -> Locator:
    return page.get_by_label("Address of the article (optional)")


def find(page: Page, text: str = ROBOTAXI) -> None:
    text_box(page).fill(text)
    page.get_by_role("button", name="Find similar incidents").click()


def cards(page: Page) -> Locator:
    return items(page, "Closest incidents")


def items(page: Page, name: str) -> Locator:
    """The items of the list with this heading."""
    return page.get_by_role("list", name=name).get_by_role("listitem")


def first_heading(page: Page) -> Locator:
    """The first heading of the results: the verdict, or without one that of the closest incidents."""
    return page.get_by_role("region", name="Results").get_by_role("heading", level=2).first


def answer_with(page: Page, **answer: Any) -> None:
    page.route("**/similar", lambda route: route.fulfill(**answer))


def show_body(page: Page, body: Body, text: str = ROBOTAXI) -> None:
    """Search, with a stand-in that gives this body."""
    page.unroute_all()
    answer_with(page, json={"body": body})
    find(page, text)
    first_heading(page).wait_for()


def show_state(page: Page, state: State) -> None:
    """Search for the state's text, with a stand-in that gives its answer."""
    show_body(page, state.body, state.text)


def answer_later(page: Page) -> list[Route]:
    """Hold back the requests to /similar; `continue_` passes one on to the service."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/similar", hold)
    return held


def stand_in(*matches: tuple[float, str, str], warnings: tuple[str, ...] = ()) -> Body:
    """The body of an answer with these similarities, titles and links."""
    similar = [
        {"incident_id": number, "similarity": similarity, "title": title, "url": url}
        for number, (similarity, title, url) in enumerate(matches, start=1)
    ]
    index = {"incidents": 9, "built_at": "2026-01-01T00:00:00+00:00", "encoder": "<i>encoder</i>"}
    return {"warnings": warnings, "msg": "", "similar": similar, "index": index}
