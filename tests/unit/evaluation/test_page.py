"""The page: what is written by hand stays, and what was not measured is not a number."""

from pathlib import Path
from typing import Any

from scripts.evaluation.answers import RANKERS
from scripts.evaluation.page import MARKER, interval, make_page, write_page

NOTHING: list[float | None] = [None, None, None]


def results(**of_one_report: Any) -> dict[str, Any]:
    ranking = {
        ranker: {"R@1": [0.5, 0.25, 0.75], "R@3": [1, 1, 1], "R@10": [1, 1, 1], "MRR": NOTHING} for ranker in RANKERS
    }
    verdict = dict.fromkeys(("AUROC", "AUROC named", "ECE", "false-new", "false-known"), NOTHING)
    whole = {"questions": 1200, "incidents": 67, "known": 3, "new": 5, "ranking": ranking, "verdict": verdict}
    parts = {"all": whole} | ({"incidents with one report": whole | of_one_report} if of_one_report else {})
    return {
        "source": "a test",
        "encoder": {"name": "tiny", "fingerprint": "0123456789abcdef"},
        "incidents": 67,
        "reports": 1200,
        "seed": 3,
        "resamples": 1000,
        "questions": {"more-texts": {"left out": 2, "parts": parts, "curves": {"recall": {}}}},
        "appearances": {"cosine": {"never shown": [0.1, 0.0, 0.2], "correlation": NOTHING}},
    }


def test_an_interval_is_in_parentheses() -> None:
    assert interval([0.5, 0.25, 0.75]) == "0.500 (0.250 to 0.750)"
    assert interval(NOTHING) == "-"


def test_the_page_says_of_what_it_is() -> None:
    page = make_page("mine", results())
    assert "An index of 67 incidents with 1,200 reports from `a test`, made with tiny (0123456789ab)." in page
    assert "seed 3" in page
    assert "## More texts\n\n1,200 texts about 67 incidents, 3 asked as known and 5 as new. 2 are left out" in page
    assert "| hybrid | 0.500 (0.250 to 0.750) | 1.000 (1.000 to 1.000) | 1.000 (1.000 to 1.000) | - |" in page
    assert "| cosine | 0.100 (0.000 to 0.200) | - |" in page
    assert "(mine-recall.svg)" in page
    assert "roc" not in page


def test_incidents_with_one_report_have_no_known_case() -> None:
    page = make_page("mine", results(known=0, new=4))
    assert "Texts about incidents with one report (4 here) are asked as new only" in page
    assert "| incidents with one report | 0 | 4 | - |" in page


def test_without_a_calibration_the_page_says_so() -> None:
    found = results()
    found["questions"]["more-texts"]["parts"]["all"]["verdict"] = {}
    assert "too few reports to tell known incidents from new ones" in make_page("mine", found)


def test_what_was_written_by_hand_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    write_page(path, results())
    assert path.read_text().startswith("# Quality: mine\n")
    path.write_text(path.read_text().replace("# Quality: mine", "# My own words"))
    write_page(path, results() | {"seed": 4})
    text = path.read_text()
    assert text.startswith("# My own words\n")
    assert text.count(MARKER) == 1
    assert "seed 4" in text
    assert "seed 3" not in text
