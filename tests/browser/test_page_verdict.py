"""The page in each state of an answer: the verdict, its reasons, and results that an edit made stale.

The answers are stand-ins, so that each state is there whatever the sample's index says.
"""

from typing import Any

import pytest
from playwright.sync_api import expect

from browser.visitor import OpenPage, address_box, cards, find, first_heading, items, show_body, show_state, text_box
from support.answers import (
    ALREADY_IN,
    ALSO,
    CHATBOTS,
    KNOWN,
    NEW,
    NOT_CALIBRATED,
    OLD,
    POSSIBLE,
    TOO_FEW,
    State,
    answer,
    match,
    reference,
    verdict,
)

LINK = "https://example.org/uber"
STALE = "These results belong to the text and address before your edit. Search again to update them."
BAR_WIDTHS = "bars => bars.map(bar => bar.firstChild.getBoundingClientRect().width / bar.clientWidth)"


# The verdict


@pytest.mark.parametrize(
    ("state", "symbol", "title", "chance"),
    [
        (KNOWN, "✓", "Known: incident 726", "with a probability of 93 %. Of 20 texts called known, 1 is new."),
        (
            POSSIBLE,
            "?",
            "Possibly known: incident 52",
            "with a probability of 69 %. A text is called known from 87 % and new below 41 %.",
        ),
        (
            NEW,
            "+",
            "New: no known incident matches",
            "with a probability of 7 %. Of 10 texts called new, 1 is known.",
        ),
    ],
)
def test_the_verdict_is_said_in_words(open_page: OpenPage, state: State, symbol: str, title: str, chance: str) -> None:
    page = open_page()
    show_state(page, state)
    expect(first_heading(page)).to_have_text(title)
    expect(first_heading(page)).to_be_focused()
    expect(page.locator("#symbol")).to_have_text(symbol)
    expect(page.locator("#chance")).to_have_text(f"This text is about a known incident {chance}")
    expect(page.locator("#calibrated")).to_have_text("Calibrated on 364 cases, at equal odds of known and new.")


def test_each_label_has_a_color_of_its_own(open_page: OpenPage) -> None:
    page = open_page()
    colors = set()
    for state in (KNOWN, POSSIBLE, NEW):
        show_state(page, state)
        colors.add(page.locator("#symbol").evaluate("symbol => getComputedStyle(symbol).backgroundColor"))
    assert len(colors) == 3


@pytest.mark.parametrize(("probability", "words"), [(0.9999, "over 99 %"), (0.0001, "under 1 %"), (0.994, "99 %")])
def test_a_probability_never_reads_as_certainty(open_page: OpenPage, probability: float, words: str) -> None:
    page = open_page()
    show_body(page, answer(match(4, 0.6), verdict=verdict("possible", probability, 4)))
    expect(page.locator("#chance")).to_contain_text(f"with a probability of {words}.")


def test_without_calibration_there_is_a_warning_and_no_probability(open_page: OpenPage) -> None:
    page = open_page()
    show_state(page, NOT_CALIBRATED)
    expect(page.locator("#notes p")).to_have_text(TOO_FEW)
    expect(first_heading(page)).to_have_text("Possibly known: incident 726")
    expect(page.locator("#chance")).to_have_text(
        "How probable this is cannot be said, because the index is not calibrated."
    )
    expect(page.locator("#calibrated")).to_be_empty()
    expect(page.get_by_role("region", name="Results")).not_to_contain_text("%")


def test_a_calibration_may_say_less(open_page: OpenPage) -> None:
    page = open_page()
    for label in ("known", "possible", "new"):
        show_body(page, answer(match(4, 0.6), verdict={"label": label, "probability": 0.5, "calibration": {"n": 9}}))
        expect(page.locator("#chance")).to_have_text("This text is about a known incident with a probability of 50 %. ")


def test_an_answer_without_verdict_has_the_incidents_alone(open_page: OpenPage) -> None:
    page = open_page()
    show_state(page, KNOWN)
    show_state(page, OLD)
    expect(first_heading(page)).to_have_text("Closest incidents")
    expect(first_heading(page)).to_be_focused()
    expect(page.get_by_role("region", name="Results").get_by_role("heading", level=2)).to_have_count(1)
    expect(cards(page).first.get_by_role("paragraph")).to_have_text(["Incident 726similarity 0.548221"])
    expect(page.locator("#scale")).to_have_text("Bars show the similarity: empty is 0, full is 1.")


# The matches


def test_a_card_has_rank_numbers_date_and_reports(open_page: OpenPage) -> None:
    page = open_page()
    show_state(page, KNOWN)
    expect(page.locator(".rank")).to_have_text(["1", "2", "3"])
    facts = cards(page).first.get_by_role("paragraph").first
    expect(facts).to_have_text("Incident 726 · 2023-10-02 · 3 reportsrelevance 0.84 · similarity 0.66")
    show_state(page, NOT_CALIBRATED)
    expect(cards(page).first.get_by_role("paragraph").first).to_contain_text("Incident 726 · 1 reportrelevance 0.61")


def test_bars_have_a_fixed_scale_of_relevance(open_page: OpenPage) -> None:
    page = open_page()
    show_state(page, KNOWN)
    widths = page.locator(".bar").evaluate_all(BAR_WIDTHS)
    assert widths == pytest.approx([0.84, 0.31, 0.24], abs=0.005)
    expect(page.locator("#scale")).to_have_text("Bars show the relevance: empty is 0, full is 1.")


def test_without_relevance_bars_show_the_similarity_on_the_same_scale(open_page: OpenPage) -> None:
    page = open_page()
    show_body(page, answer(match(4, 0.999), match(6, 0.5), match(16, -0.2)))
    assert page.locator(".bar").evaluate_all(BAR_WIDTHS) == pytest.approx([0.999, 0.5, 0], abs=0.005)


@pytest.mark.parametrize(
    ("report", "words", "links"),
    [
        (reference(2, "Uber car kills", LINK, "2018-03-19"), "Uber car kills (report 2, 2018-03-19)", [LINK]),
        (reference(2, "Uber car kills", "javascript:alert()"), "Uber car kills (report 2)", []),
        (reference(2, url=LINK, date="2018-03-19"), "report 2 (2018-03-19)", [LINK]),
        (reference(2), "report 2", []),
    ],
)
def test_a_card_says_why(open_page: OpenPage, report: dict[str, Any], words: str, links: list[str]) -> None:
    page = open_page()
    why = {"report": report, "terms": ["uber", "tempe"], "passage": "A Volvo hit her."}
    show_body(page, answer(match(4, 0.6, relevance=0.7, why=why)), "It was dark. A Volvo hit her.")
    reasons = cards(page).locator(".why")
    new_tab = " (opens in a new tab)" if links else ""
    named = words.replace(" (", f"{new_tab} (", 1) if links else words
    expect(reasons.get_by_role("paragraph")).to_have_text(
        [f"Closest: {named}", "Shared terms: uber, tempe", "Closest passage:"]
    )
    expect(reasons.get_by_role("blockquote")).to_have_text("A Volvo hit her.")
    assert [link.get_attribute("href") for link in reasons.get_by_role("link").all()] == links


def test_a_passage_that_is_the_whole_text_is_not_quoted(open_page: OpenPage) -> None:
    page = open_page()
    show_state(page, KNOWN)
    expect(cards(page).first).to_contain_text("Shared terms: cruise, robotaxi")
    expect(page.get_by_role("blockquote")).to_have_count(0)


def test_a_long_passage_is_cut_between_words(open_page: OpenPage) -> None:
    page = open_page()
    show_body(page, answer(match(4, 0.6, relevance=0.7, why={"terms": [], "passage": "word " * 90})))
    expect(page.get_by_role("blockquote")).to_have_text("word " * 59 + "word…")
    expect(cards(page).locator(".why p")).to_have_text(["Closest passage:"])


# What else the text is about


@pytest.mark.parametrize(
    ("kind", "overlap", "words"),
    [
        ("same_text", 1.0, "The same text"),
        ("near_text", 0.83, "Nearly the same text (overlap 83 %)"),
        ("same_url", 0.0, "The same address"),
    ],
)
def test_a_report_that_is_already_in_is_named(open_page: OpenPage, kind: str, overlap: float, words: str) -> None:
    page = open_page()
    report = reference(2, "Uber car kills", LINK, "2018-03-19")
    copies = [{"incident_id": 4, "report": report, "kind": kind, "overlap": overlap}]
    show_body(page, ALREADY_IN.body | {"duplicates": copies})
    expect(items(page, "Already in the database")).to_have_text(
        [f"{words}: Uber car kills (opens in a new tab) (report 2, 2018-03-19) of incident 4"]
    )
    expect(items(page, "Already in the database").get_by_role("link")).to_have_attribute("href", LINK)


def test_other_incidents_of_the_text_are_listed_with_their_passages(open_page: OpenPage) -> None:
    page = open_page()
    show_state(page, ALSO)
    also = items(page, "Also in this text")
    expect(also).to_have_count(1)
    expect(also.get_by_role("link")).to_have_attribute("href", "https://incidentdatabase.ai/cite/631")
    expect(also.get_by_role("paragraph")).to_have_text("Incident 631 · probability 90 %")
    expect(also.get_by_role("blockquote")).to_have_text(CHATBOTS[0])
    expect(page.get_by_role("heading", name="Already in the database")).to_be_hidden()


# The form


@pytest.mark.parametrize(("address", "sent"), [(" https://example.org/a ", {"url": "https://example.org/a"}), ("", {})])
def test_the_address_is_sent_if_there_is_one(open_page: OpenPage, address: str, sent: dict[str, str]) -> None:
    page = open_page()
    address_box(page).fill(address)
    with page.expect_request("**/similar") as question:
        find(page, "A robot arm")
    assert question.value.post_data_json == {"text": "A robot arm", "num": 10, "rank": "hybrid"} | sent


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 of 200,000 characters"),
        ("robot 🤖", "7 of 200,000 characters"),
        ("A" * 200_000, "200,000 of 200,000 characters"),
        ("A" * 200_002, "200,002 of 200,000 characters, 2 too many"),
    ],
)
def test_the_characters_are_counted(open_page: OpenPage, text: str, words: str) -> None:
    page = open_page()
    text_box(page).fill(text)
    expect(page.locator("#count")).to_have_text(words)
    assert "count" in (text_box(page).get_attribute("aria-describedby") or "").split()


def test_results_of_another_text_are_dimmed_and_said_to_be(open_page: OpenPage) -> None:
    page = open_page()
    show_state(page, KNOWN)
    results, stale = page.get_by_role("region", name="Results"), page.locator("#stale")
    color = results.evaluate("results => getComputedStyle(results).color")
    expect(stale).to_have_role("status")
    expect(stale).to_be_empty()
    for box in (text_box(page), address_box(page)):
        box.press("End")
        box.press("a")
        expect(stale).to_have_text(STALE)
        assert results.evaluate("results => getComputedStyle(results).color") != color
        box.press("Backspace")
        expect(stale).to_be_empty()
        assert results.evaluate("results => getComputedStyle(results).color") == color
    text_box(page).fill("Another text")
    expect(stale).to_have_text(STALE)
    find(page, "Another text")
    expect(first_heading(page)).to_be_focused()
    expect(stale).to_be_empty()
    assert results.evaluate("results => getComputedStyle(results).color") == color
