"""What `ask` prints of an answer."""

from collections.abc import Callable

import pytest

from scripts.cli.answer import print_answer
from support.answers import (
    ALREADY_IN,
    ALSO,
    CHATBOTS,
    INCIDENTS,
    KNOWN,
    NEW,
    NOT_CALIBRATED,
    OLD,
    STATES,
    TOO_FEW,
    Body,
    State,
    answer,
    match,
    reference,
)

Printed = Callable[..., list[str]]
LAST = "Out of 67 incidents, indexed 2026-11-21T10:00:00+00:00 with a stand-in for the service."


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """A function that prints an answer to a text and gives its lines without trailing spaces."""

    def printed(body: Body, text: str = "") -> list[str]:
        print_answer(body, text)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return printed


def test_the_verdict_comes_first_then_the_matches_with_their_reasons(printed: Printed) -> None:
    body = answer(*KNOWN.body["similar"][:2], verdict=KNOWN.body["verdict"])
    assert printed(body, KNOWN.text) == [
        "Known: incident 726, probability 0.93",
        "Calibrated at equal odds of known and new on 364 cases: 1 in 20 called known is new",
        "rank  relevance  similarity   id        date  reports  title",
        f"   1       0.84        0.66  726  2023-10-02        3  {INCIDENTS[726]['title']}",
        "      https://incidentdatabase.ai/cite/726",
        "      why: closest is report 1; shared terms: cruise, robotaxi, dragged, francisco",
        f"   2       0.31        0.39    4  2018-03-18        3  {INCIDENTS[4]['title'].removesuffix(' car')}",
        f"{' ' * 55}car",
        "      https://incidentdatabase.ai/cite/4",
        "      why: closest is report 2; shared terms: pedestrian",
        LAST,
    ]


def test_an_answer_of_an_older_service_has_only_similarities(printed: Printed) -> None:
    assert printed(OLD.body, OLD.text) == [
        "rank  similarity   id  title",
        "   1    0.548221  726  Cruise robotaxi drags an injured pedestrian after a hit-and-run",
        "      https://incidentdatabase.ai/cite/726",
        "   2    0.416757   24  Contractor at Volkswagen's Baunatal plant is crushed by a robot",
        "      https://incidentdatabase.ai/cite/24",
        "   3    0.384522  640  Two Waymo cars hit the same towed pickup within minutes",
        "      https://incidentdatabase.ai/cite/640",
        LAST,
    ]


def test_cosine_similarities_have_six_decimals_beside_dates_and_reports(printed: Printed) -> None:
    lines = printed(answer(match(4, 0.9971234, date="2018-03-18", reports=3), match(6, 0.9971229, date="", reports=1)))
    assert lines[0].split() == ["rank", "similarity", "id", "date", "reports", "title"]
    assert lines[1].split()[:5] == ["1", "0.997123", "4", "2018-03-18", "3"]
    assert lines[3].split()[:4] == ["2", "0.997123", "6", "1"]


def test_warnings_are_notes_below_the_verdict(printed: Printed) -> None:
    lines = printed(NOT_CALIBRATED.body, NOT_CALIBRATED.text)
    assert lines[:2] == [
        "Possibly known: incident 726, of unknown probability because the index is not calibrated",
        f"Note: {TOO_FEW}",
    ]


@pytest.mark.parametrize(
    ("kind", "overlap", "report", "line"),
    [
        ("same_text", 1.0, reference(2), "Already in: report 2 of incident 4, same text"),
        ("same_url", 0.0, reference(2, "Uber"), 'Already in: report 2 of incident 4, same address: "Uber"'),
        (
            "near_text",
            0.834,
            reference(2),
            "Already in: report 2 of incident 4, nearly the same text (overlap 0.83)",
        ),
        ("same_text", 1.0, {}, "Already in: a report of incident 4, same text"),
    ],
)
def test_a_report_that_is_already_in_is_named(
    printed: Printed, kind: str, overlap: float, report: Body, line: str
) -> None:
    copies = [{"incident_id": 4, "report": report, "kind": kind, "overlap": overlap}]
    lines = printed(ALREADY_IN.body | {"duplicates": copies}, ALREADY_IN.text)
    assert lines[2] == line
    assert lines[3].startswith("rank ")


def test_other_incidents_of_the_text_stand_below_the_table(printed: Printed) -> None:
    lines = printed(ALSO.body, ALSO.text)
    assert lines[-5:-3] == [
        f"Also: incident 631, {INCIDENTS[631]['title']}, probability 0.90",
        "      https://incidentdatabase.ai/cite/631",
    ]
    assert lines[-3].startswith(f'      "{CHATBOTS[0][:80]}')
    assert lines[-2].endswith('…"')
    assert lines[-1] == LAST


def test_a_closest_report_is_named_by_its_title(printed: Printed) -> None:
    why = {"report": reference(2, "Uber car kills"), "terms": [], "passage": ""}
    assert '      why: closest is report 2, "Uber car kills"' in printed(answer(match(4, 0.6, why=why)))


@pytest.mark.parametrize("why", [{}, {"terms": [], "passage": ""}])
def test_without_reasons_there_is_no_line_for_them(printed: Printed, why: Body) -> None:
    assert len(printed(answer(match(4, 0.6, why=why)))) == 4


def test_a_passage_is_cut_between_words_and_in_one_paragraph(printed: Printed) -> None:
    passage = "one\ntwo " * 30
    quoted = " ".join(printed(answer(match(4, 0.6, why={"passage": passage})), "one two three")[3:-1])
    assert " ".join(quoted.split()) == f'"{"one two " * 19}one two…"'


def test_a_passage_without_spaces_is_cut_too(printed: Printed) -> None:
    quoted = "".join(line.strip() for line in printed(answer(match(4, 0.6, why={"passage": "字" * 400})))[3:-1])
    assert quoted == f'"{"字" * 160}…"'


def test_a_passage_that_is_the_whole_text_is_not_quoted(printed: Printed) -> None:
    body = answer(match(4, 0.6, why={"passage": "A robot arm hit a fitter."}))
    assert not any("robot arm" in line for line in printed(body, " A robot arm\nhit a fitter. "))
    assert any("robot arm" in line for line in printed(body, "A robot arm hit a fitter. He is well."))


def test_without_matches_there_is_no_table(printed: Printed) -> None:
    assert printed(answer(verdict=NEW.body["verdict"]))[2:] == [LAST]


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_no_line_is_wider_than_a_page(printed: Printed, state: State) -> None:
    assert max(map(len, printed(state.body, state.text))) <= 120
