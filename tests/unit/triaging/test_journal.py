"""The journal of answers on disk."""

from array import array
from pathlib import Path

import pytest

from scripts.triaging.journal import Answer, Journal

ANSWER = Answer({"similar": [{"similarity": 0.1 + 0.2}], "msg": "é\u2028"}, array("f", [0.1, -1e-30, 3.0]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with the answers 1 and 2."""
    with Journal(tmp_path / "queue.journal", "made by") as journal:
        journal.add("1", ANSWER)
        journal.add("2", Answer({}, array("f")))
    return tmp_path / "queue.journal"


def test_answers_come_back_bit_for_bit(path: Path) -> None:
    with Journal(path, "made by") as journal:
        assert (len(journal), journal.n_others) == (2, 0)
        assert journal.get("1") == ANSWER
        assert journal.get("2") == Answer({}, array("f"))
        assert journal.get("3") is None


def test_an_answer_is_on_disk_before_the_next_is_asked_for(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", "made by") as journal:
        for number in range(3):
            journal.add(str(number), ANSWER)
            assert (tmp_path / "journal").read_bytes().count(b"\n") == number + 1


def test_an_unfinished_last_line_is_dropped_wherever_it_ends(path: Path) -> None:
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        with Journal(path, "made by") as journal:
            assert len(journal) == 1
            journal.add("3", ANSWER)
        with Journal(path, "made by") as journal:
            assert [journal.get(key) for key in "123"] == [ANSWER, None, ANSWER]


def test_answers_of_another_index_or_model_stay_and_are_not_used(path: Path) -> None:
    with Journal(path, "another") as journal:
        assert (len(journal), journal.n_others) == (0, 2)
        assert journal.get("1") is None
        journal.add("1", Answer({"from": "another"}, array("f")))
    with Journal(path, "made by") as journal:
        assert (len(journal), journal.n_others) == (2, 1)
        assert journal.get("1") == ANSWER


@pytest.mark.parametrize(
    "line", ["", "{}", "[1]", '"', '{"key": "k", "made_by": "made by", "body": {}, "vector": "?"}', "[" * 100_000]
)
def test_a_damaged_line_is_named(path: Path, line: str) -> None:
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(ValueError, match=r"queue\.journal, line 3: expected an answer of the service, got something"):
        Journal(path, "made by")


def test_two_runs_cannot_have_the_same_journal(path: Path) -> None:
    busy = r"expected .*queue\.journal to be free, got one that another run writes"
    with Journal(path, "made by"), pytest.raises(ValueError, match=busy):
        Journal(path, "made by")
    with Journal(path, "made by") as journal:
        assert len(journal) == 2
