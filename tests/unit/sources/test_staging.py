"""What waits between a source and an index."""

import pytest
import torch

from scripts.sources.staging import ISSUE_REPORT, NewReport, StagedIncidents
from support.staged import content, counted, metadata


def test_a_report_in_several_incidents_is_in_each_and_once() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(2, "Two", [11, 12, 11])
        staged.add_incident(1, "One", [12])
        staged.add_report(NewReport(12, "twelve"))
        staged.add_report(NewReport(11, "eleven"))
        staged.add_report(NewReport(13, "nobody's"))
        assert content(staged) == {(1, "One"): [(12, "twelve")], (2, "Two"): [(11, "eleven"), (12, "twelve")]}


def test_excluded_and_missing_reports_say_why() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(1, "One", [11, 12, 13])
        staged.add_report(NewReport(12, "twelve", excluded=ISSUE_REPORT))
        staged.add_report(NewReport(13, "thirteen"))
        reasons = [(11, "it is listed, but not there"), (12, "it reports on an issue, not on an incident")]
        assert content(staged) == {(1, "One"): [*reasons, (13, "thirteen")]}


def fold(staged: StagedIncidents, *pairs: tuple[int, int]) -> None:
    for duplicate, true_id in pairs:
        staged.add_duplicate(duplicate, true_id)
    staged.fold()


def test_duplicates_are_folded_along_chains() -> None:
    with StagedIncidents("") as staged:
        for number in range(1, 8):
            staged.add_incident(number, f"Title {number}", [10 * number, 99])
            staged.add_report(NewReport(10 * number, f"text {number}"))
        staged.add_report(NewReport(99, "everybody's"))
        fold(staged, (5, 3), (3, 1), (7, 6), (40, 1))  # 5 -> 3 -> 1; 40 has no row
        assert content(staged) == {
            (1, "Title 1"): [(10, "text 1"), (30, "text 3"), (50, "text 5"), (99, "everybody's")],
            (2, "Title 2"): [(20, "text 2"), (99, "everybody's")],
            (4, "Title 4"): [(40, "text 4"), (99, "everybody's")],
            (6, "Title 6"): [(60, "text 6"), (70, "text 7"), (99, "everybody's")],
        }


def test_duplicates_of_an_incident_that_is_not_there_stand_under_its_id() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(8, "Eight", [80])
        staged.add_incident(7, "Seven", [70])
        for number in (70, 80):
            staged.add_report(NewReport(number, str(number)))
        fold(staged, (7, 100), (8, 7))
        assert content(staged) == {(100, "Seven"): [(70, "70"), (80, "80")]}


@pytest.mark.parametrize(
    ("before", "pair", "message", "true_ids"),
    [
        ([], (1, 1), "expected 1 to be a duplicate of another, got a circle by 1", {}),
        ([(1, 2), (2, 3)], (3, 1), "expected 3 to be a duplicate of another, got a circle by 1", {1: 3, 2: 3}),
        ([(2, 3), (1, 2)], (3, 2), "circle", {1: 3, 2: 3}),
        ([(1, 2)], (1, 3), "expected 1 to be a duplicate of one incident, got 2 and 3", {1: 2}),
    ],
)
def test_a_duplicate_that_leads_nowhere_is_refused_and_the_others_are_folded(
    before: list[tuple[int, int]], pair: tuple[int, int], message: str, true_ids: dict[int, int]
) -> None:
    with StagedIncidents("") as staged:
        for number in (1, 2, 3, 4, 5):
            staged.add_incident(number, str(number), [])
        for duplicate, true_id in before:
            staged.add_duplicate(duplicate, true_id)
        with pytest.raises(ValueError, match=message):
            staged.add_duplicate(*pair)
        fold(staged, (5, 4), *before)  # and a pair twice
        assert staged.true_ids() == {1: 1, 2: 2, 3: 3, 4: 4, 5: 4} | true_ids


def test_a_folded_incident_has_its_own_date_and_url_or_else_those_of_its_first_duplicate() -> None:
    with StagedIncidents("") as staged:
        for number in (1, 2, 7, 8):
            day, address = f"2020-01-0{number}", f"https://example.org/{number}"
            staged.add_incident(number, "", [number], date=day, url=address)
            staged.add_report(NewReport(number, "", f"Title {number}", f"{address}/report", f"2021-01-0{number}"))
        staged.add_incident(3, "", [], url="https://example.org/3")
        fold(staged, (1, 2), (8, 100), (7, 100), (2, 3))  # 3 has no date, and 100 has no row
        first, second, seventh, eighth = (
            (number, f"Title {number}", f"https://example.org/{number}/report", f"2021-01-0{number}")
            for number in (1, 2, 7, 8)
        )
        assert metadata(staged) == {
            (3, "", "https://example.org/3"): [first, second],
            (100, "2020-01-07", "https://example.org/7"): [seventh, eighth],
        }


def test_what_is_not_known_is_empty_and_a_date_that_is_not_one_is_dropped() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(1, "One", [11, 12, 13, 14])
        staged.add_report(NewReport(11, "eleven"))
        staged.add_report(NewReport(12, "twelve", "A *title*", date="in May 2019"))
        staged.add_report(NewReport(13, "thirteen", url="https://example.org/13", excluded=ISSUE_REPORT))
        unknown = ("", "", "")
        assert metadata(staged) == {
            (1, "", ""): [
                (11, *unknown),
                (12, "A *title*", "", ""),
                (13, "", "https://example.org/13", ""),
                (14, *unknown),
            ]
        }
    with StagedIncidents("") as staged:
        staged.add_incident_with_texts(2, "Two", [NewReport(8, "eight", date="2019-05-19T12:00Z")], date="May 2019")
        assert metadata(staged) == {(2, "", ""): [(8, "", "", "2019-05-19")]}


def test_what_is_there_twice_is_refused() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(1, "One", [])
        staged.add_report(NewReport(11, "eleven"))
        with pytest.raises(ValueError, match="expected every incident once, got 1 twice"):
            staged.add_incident(1, "One", [])
        with pytest.raises(ValueError, match="expected every report once, got 11 twice"):
            staged.add_report(NewReport(11, "eleven"))
        with pytest.raises(ValueError, match="every report of incident 2 to have its own number, got 5 twice"):
            staged.add_incident_with_texts(2, "Two", [NewReport(number, "") for number in (5, 6, 5)])
        assert content(staged) == {(1, "One"): []}


@pytest.mark.parametrize("number", [0, -3, 2**63, 10**30])
def test_numbers_that_no_index_can_hold_are_refused(number: int) -> None:
    expected = rf"from 1 to 2\^63 - 1, got {number}$"
    with StagedIncidents("") as staged:
        staged.add_incident(2**63 - 1, "The last", [2**63 - 1])
        with pytest.raises(ValueError, match="expected an incident id " + expected):
            staged.add_incident(number, "One", [])
        with pytest.raises(ValueError, match="expected a report of incident 1 to have a number " + expected):
            staged.add_incident(1, "One", [11, number])
        with pytest.raises(ValueError, match="expected a report of incident 1 to have a number " + expected):
            staged.add_incident_with_texts(1, "One", [NewReport(11, "eleven"), NewReport(number, "twelve")])
        with pytest.raises(ValueError, match="expected a report number " + expected):
            staged.add_report(NewReport(number, "eleven"))
        with pytest.raises(ValueError, match="expected the id of a duplicate " + expected):
            staged.add_duplicate(number, 1)
        with pytest.raises(ValueError, match="expected the true incident of 1 to have an id " + expected):
            staged.add_duplicate(1, number)
        missing = "it is listed, but not there"
        assert content(staged) == {(2**63 - 1, "The last"): [(2**63 - 1, missing)]}


def test_a_stored_vector_comes_with_its_text() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(1, "One", [11])
        staged.add_report(NewReport(11, "eleven", stored=([0.1, 2.0], "a hash", "a fingerprint")))
        (incident,) = staged.incidents()
        (report,) = incident.reports
        assert report.stored is not None
        assert torch.equal(report.stored.vector, torch.tensor([0.1, 2.0]))
        assert (report.stored.text_hash, report.stored.fingerprint) == ("a hash", "a fingerprint")


def test_texts_are_plain_when_they_leave_and_are_found_again_by_row() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident_with_texts(5, "Five", counted("*w5*", "[w6](https://example.org)"))
        staged.add_incident_with_texts(4, "Four", counted("# w7"))
        assert content(staged) == {(4, "Four"): [(1, "w7")], (5, "Five"): [(1, "w5"), (2, "w6")]}
        rows = {report.text: report.row for incident in staged.incidents() for report in incident.reports}
        assert [staged.text(rows[text]) for text in ("w6", "w7", "w5")] == ["w6", "w7", "w5"]
