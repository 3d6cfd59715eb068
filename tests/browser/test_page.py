"""The page in headless Chromium, with a real service, the embedded model and the sample incidents.

A test uses a stand-in only for answers that this service never gives, and says so.
"""

import json
import urllib.request
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from browser.visitor import CRUISE, LONG, ROBOTAXI, OpenPage, cards, find, show_body, stand_in, text_box


def test_the_incident_that_a_text_is_about_comes_first(open_page: OpenPage) -> None:
    page = open_page()
    find(page)
    expect(cards(page)).to_have_count(3)
    expect(cards(page).first).to_contain_text("Incident 726")
    link = cards(page).first.get_by_role("link", name=CRUISE)
    expect(link).to_have_attribute("href", "https://incidentdatabase.ai/cite/726")
    expect(page.get_by_role("alert")).to_be_empty()


def test_the_cards_show_the_services_answer(open_page: OpenPage, page_service_url: str) -> None:
    asked = {"text": LONG, "num": 10, "rank": "hybrid"}
    question = urllib.request.Request(f"{page_service_url}/similar", json.dumps(asked).encode())
    with urllib.request.urlopen(question) as response:
        answer = json.load(response)["body"]
    page = open_page()
    page.get_by_label("Incidents to show").select_option("10")
    find(page, LONG)
    expect(cards(page)).to_have_count(10)
    for card, match in zip(cards(page).all(), answer["similar"], strict=True):
        assert card.get_by_role("link").text_content() == f"{match['title']} (opens in a new tab)"
        assert card.get_by_role("link").get_attribute("href") == match["url"]
        about, numbers = card.get_by_role("paragraph").first.inner_text().split("\n")
        assert about.split(" · ")[0] == f"Incident {match['incident_id']}"
        decimals = 2 if "relevance" in match else 6
        assert numbers.endswith(f"similarity {match['similarity']:.{decimals}f}")


def test_another_number_is_shown_without_another_request(open_page: OpenPage) -> None:
    page = open_page()
    questions: list[Any] = []
    page.on("request", lambda request: questions.append(request.post_data_json))
    find(page)
    expect(cards(page)).to_have_count(3)
    for number in (5, 10):
        page.get_by_label("Incidents to show").select_option(str(number))
        expect(cards(page)).to_have_count(number)
        expect(page.locator("#progress")).to_contain_text(f"{number} incidents found.")
    assert questions == [{"text": ROBOTAXI, "num": 10, "rank": "hybrid"}]


def test_a_text_longer_than_the_model_reads_gives_the_warning(open_page: OpenPage) -> None:
    page = open_page()
    find(page, LONG)
    expect(page.locator("#notes p")).to_have_text("The text has 362 tokens, of which the first 256 were used.")
    find(page)
    expect(cards(page).first).to_contain_text(CRUISE)
    expect(page.locator("#notes p")).to_have_count(0)


@pytest.mark.parametrize(
    ("elapsed", "words"),
    [
        (timedelta(days=3, hours=5), "3 days ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(days=800), "2 years ago"),
        (timedelta(minutes=-5), "0 seconds ago"),  # the browser's clock is behind the service's
    ],
)
def test_the_age_of_the_index_is_shown(open_page: OpenPage, elapsed: timedelta, words: str) -> None:
    page = open_page()
    find(page)
    built_at = page.locator("time").get_attribute("datetime")
    assert built_at is not None
    page.clock.set_fixed_time(datetime.fromisoformat(built_at) + elapsed)
    find(page)
    expect(page.locator("time")).to_have_text(words)
    expect(page.locator("#index")).to_have_text(
        f"67 incidents, indexed {words}, with sentence-transformers/all-MiniLM-L6-v2."
    )


# Security and privacy


def test_markup_from_the_service_is_shown_as_text(open_page: OpenPage) -> None:
    """A stand-in, because the real service never sends such links."""
    page = open_page()
    markup = "<img src=x onerror=\"document.title = 'broken'\"><script>document.title = 'broken'</script>"
    links = ("javascript:document.title='broken'", "https://example.org/\"onclick=\"document.title='broken'", "//a")
    body = stand_in(*((0.9, markup, link) for link in links), warnings=(markup,))
    report = {"number": markup, "title": markup, "url": links[0], "date": markup}
    body["similar"][0] |= {"date": markup, "reports": markup, "why": {"report": report, "terms": [markup]}}
    body["similar"][0]["why"]["passage"] = markup
    body["verdict"] = {"label": markup, "incident_id": markup, "probability": 1, "calibration": {"n": markup}}
    body["duplicates"] = [{"incident_id": markup, "report": report, "kind": markup}]
    body["also"] = [{"incident_id": markup, "title": markup, "url": links[0], "probability": 1, "passage": markup}]
    show_body(page, body)
    titles = cards(page).get_by_role("heading", level=3)
    expect(titles.nth(0)).to_have_text(markup)
    expect(page.locator("#notes p")).to_have_text(markup)
    expect(page.locator("#index")).to_contain_text("with <i>encoder</i>.")
    for place in ("#label", "#calibrated", "#duplicates", "#also h3", "#also .small", "#also blockquote"):
        expect(page.locator(place)).to_contain_text(markup)
    for place in (".facts", ".why p >> nth=0", ".why p >> nth=1", ".why blockquote"):
        expect(cards(page).first.locator(place)).to_contain_text(markup)
    expect(page.get_by_role("link")).to_have_count(1)
    expect(titles.nth(1).get_by_role("link")).to_have_attribute("href", links[1])
    expect(page.locator("main img, main script, main i, [onclick], [onerror]")).to_have_count(0)
    expect(page).to_have_title("Similar AI incidents")


def test_the_policy_stops_injected_markup_from_running(chromium: Browser, page_service_url: str) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(page_service_url)
        markup = "<img src='data:,' onerror='document.title = 1'>"
        with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            page.evaluate("markup => document.body.insertAdjacentHTML('beforeend', markup)", markup)
        expect(page).to_have_title("Similar AI incidents")


def test_a_link_opens_a_new_tab_without_a_referrer(open_page: OpenPage) -> None:
    page = open_page()
    find(page)
    for link in page.get_by_role("list").get_by_role("link").all():
        assert link.get_attribute("target") == "_blank"
        assert link.get_attribute("rel") == "noopener noreferrer"


def test_the_text_is_neither_in_the_address_nor_stored(open_page: OpenPage) -> None:
    page = open_page()
    address, entries = page.url, page.evaluate("history.length")
    find(page)
    expect(cards(page)).to_have_count(3)
    assert page.url == address
    assert page.evaluate("history.length") == entries
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    page.reload()
    expect(text_box(page)).to_have_value("")


@pytest.mark.parametrize("path", ["/page", "/stage/", "/stage/page"])
def test_the_page_calls_the_service_relative_to_its_own_address(
    open_page: OpenPage, page_service_url: str, path: str
) -> None:
    """A stage of API Gateway prefixes every path with its name; here the prefix is removed."""
    page = open_page()

    def send_on(route: Route) -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace("/stage", "")))

    page.route("**/stage/**", send_on)
    page.goto(f"{page_service_url}{path}")
    with page.expect_request(f"{page_service_url}{path.rpartition('/')[0]}/similar"):
        find(page)
    expect(cards(page).first).to_contain_text(CRUISE)
