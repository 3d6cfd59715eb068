"""The command triage, with the tiny model and index."""

import csv
import io
import json
import logging
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.names import SERVICE
from scripts import triage as command
from scripts.triaging.journal import Journal
from support.full_disk import full_disk

REPOSITORY = Path(__file__).resolve().parents[3]
TABLES = ("queue.triage.csv", "queue.triage.html", "queue.triage.jsonl")

Triage = Callable[..., tuple[int, str, str]]


@pytest.fixture
def options(tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path) -> list[str]:
    """The options that select the tiny model and index."""
    save_index(tiny_index, tmp_path / "index.pt")
    return ["--model", str(tiny_folder), "--index", str(tmp_path / "index.pt")]


@pytest.fixture
def triage(
    configure: Callable[..., None], options: list[str], capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """The command within this process: gives its exit status, its output and its messages."""
    level = logging.getLogger(SERVICE).level

    def run(*arguments: str | Path, **environment: str) -> tuple[int, str, str]:
        configure(MODEL_PATH="", INDEX_PATH="", POWERTOOLS_METRICS_DISABLED="true", **environment)
        return command.main([*options, *map(str, arguments)]), *capsys.readouterr()

    yield run
    logging.getLogger(SERVICE).setLevel(level)


def write(path: Path, *articles: dict[str, Any]) -> Path:
    """Write a queue as CSV or JSON Lines; `path` says which. Missing fields are empty."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(article) + "\n" for article in articles))
    else:
        with path.open("w", newline="") as file:
            rows = csv.DictWriter(file, ["id", "title", "text", "url", "date"])
            rows.writeheader()
            rows.writerows(articles)
    return path


def rows(prefix: Path) -> dict[str, dict[str, str]]:
    """The rows of the table, by id."""
    content = prefix.with_name(f"{prefix.name}.csv").read_text(encoding="utf-8-sig")
    return {row["id"]: row for row in csv.DictReader(io.StringIO(content, newline=""))}


def journal(folder: Path) -> list[str]:
    return (folder / "queue.triage.journal").read_text().splitlines()


QUEUE = (
    {"id": "a", "title": "w9", "text": "w5", "url": "https://example.org/1", "date": "2026-01-02"},
    {"id": "b", "text": "w6 w7 w8", "url": "https://example.org/2"},
    {"id": "c", "text": "w6"},
    {"id": "d", "title": "other", "text": "w10 w11", "url": "http://www.example.org/2/?utm_source=x"},
)


def test_each_article_has_a_row_with_its_best_incidents(triage: Triage, tmp_path: Path) -> None:
    status, output, messages = triage(write(tmp_path / "queue.csv", *QUEUE))
    assert (status, messages) == (0, "")
    header, numbers, *files = output.splitlines()
    assert header.split()[0] == "articles"
    assert numbers.split()[0] == "4"
    assert files == [str(tmp_path / f"queue.triage.{kind}") for kind in ("csv", "jsonl", "html")]
    found = rows(tmp_path / "queue.triage")
    assert list(found) == ["a", "b", "c", "d"]
    best = found["c"]
    assert (best["incident_id"], best["incident_title"], best["similarity"]) == ("60", "Incident 60", "1.0000")
    assert best["incident_url"] == "https://incidentdatabase.ai/cite/60"
    assert (found["a"]["title"], found["a"]["date"]) == ("w9", "2026-01-02")
    assert (found["b"]["same_event"], found["d"]["same_event"]) == ("d", "b")
    lines = [json.loads(line) for line in (tmp_path / "queue.triage.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["a", "b", "c", "d"]
    assert [len(line["similar"]) for line in lines] == [3] * 4
    assert "Incident 60" in (tmp_path / "queue.triage.html").read_text()


def test_the_title_is_judged_with_the_text(triage: Triage, tmp_path: Path) -> None:
    triage(write(tmp_path / "queue.csv", {"id": "1", "title": "w9", "text": "w5"}, {"id": "2", "text": "w9\n\nw5"}))
    one, other = rows(tmp_path / "queue.triage").values()
    assert one["similarity"] == other["similarity"] != "1.0000"


def test_csv_and_json_lines_give_the_same_tables(triage: Triage, tmp_path: Path) -> None:
    for kind in ("csv", "jsonl"):
        (tmp_path / kind).mkdir()
        assert triage(write(tmp_path / kind / f"queue.{kind}", *QUEUE))[0] == 0
    for name in ("queue.triage.csv", "queue.triage.jsonl"):
        assert (tmp_path / "csv" / name).read_bytes() == (tmp_path / "jsonl" / name).read_bytes()


def test_a_later_run_judges_what_is_new_or_was_edited(triage: Triage, tmp_path: Path) -> None:
    triage(write(tmp_path / "queue.csv", *QUEUE))
    first = journal(tmp_path)
    assert len(first) == 4
    assert triage(tmp_path / "queue.csv")[0] == 0
    assert journal(tmp_path) == first
    edited = [QUEUE[0] | {"id": "renamed", "date": "2026-01-03"}, QUEUE[1] | {"text": "w7"}, *QUEUE[2:]]
    triage(write(tmp_path / "queue.csv", *edited, {"id": "e", "text": "w8"}))
    assert journal(tmp_path)[:4] == first
    assert len(journal(tmp_path)) == 6
    found = rows(tmp_path / "queue.triage")
    assert list(found) == ["renamed", "b", "c", "d", "e"]
    assert (found["b"]["incident_id"], found["e"]["incident_id"]) == ("70", "80")


def test_another_index_judges_everything_again_and_says_so(
    triage: Triage, tiny_index: IncidentIndex, tmp_path: Path
) -> None:
    triage(write(tmp_path / "queue.csv", *QUEUE))
    titles = [f"Renamed {number}" for number in range(4)]
    save_index(replace(tiny_index, titles=titles), tmp_path / "index.pt")
    status, _, messages = triage(tmp_path / "queue.csv")
    assert (status, messages) == (0, "Note: 4 earlier answers came from another index or model and are not used\n")
    assert len(journal(tmp_path)) == 8
    assert {row["incident_title"][:7] for row in rows(tmp_path / "queue.triage").values()} == {"Renamed"}
    save_index(tiny_index, tmp_path / "index.pt")
    triage(tmp_path / "queue.csv")
    assert len(journal(tmp_path)) == 8
    assert rows(tmp_path / "queue.triage")["c"]["incident_title"] == "Incident 60"


def test_a_refused_article_has_its_reason_and_is_asked_again(triage: Triage, tmp_path: Path) -> None:
    queue = write(
        tmp_path / "queue.csv", {"id": "long", "text": "w5 w6 w7"}, {"id": "empty", "text": "\u200b"}, QUEUE[2]
    )
    status, output, _ = triage(queue, MAX_TEXT_CHARACTERS="5")
    assert status == 0
    assert "refused" in output
    found = rows(tmp_path / "queue.triage")
    assert [row["label"] for row in found.values()] == ["refused", "refused", "possible"]
    assert found["long"]["error"] == "expected a `text` of at most 5 characters, got 8"
    assert found["empty"]["error"].startswith("expected text with content")
    assert len(journal(tmp_path)) == 1
    triage(queue)
    assert rows(tmp_path / "queue.triage")["long"]["error"] == ""


def test_an_unusable_index_ends_the_run(triage: Triage, tmp_path: Path) -> None:
    queue = write(tmp_path / "queue.csv", *QUEUE)
    (tmp_path / "index.pt").write_text("no index")
    status, output, messages = triage(queue)
    assert (status, output) == (1, "")
    assert messages.startswith("No table written: ")
    assert messages.endswith("index.pt: damaged or foreign, expected an index of known incidents\n")
    assert not list(tmp_path.glob("*.triage*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title\nw5\n", "queue.csv, line 1: expected a header with one column text, got 0 of 1"),
        ("text\nw5\n\n'\n \n", "queue.csv, line 5: expected a text, got an empty one"),
    ],
)
def test_a_mistake_in_the_queue_is_named(triage: Triage, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "queue.csv").write_text(content)
    status, output, messages = triage(tmp_path / "queue.csv")
    assert (status, output) == (1, "")
    assert messages == f"No table written: {tmp_path}/{message}\n"
    assert not list(tmp_path.glob("*.triage*"))


def test_wrong_arguments_are_explained(triage: Triage, tmp_path: Path) -> None:
    queue = write(tmp_path / "queue.csv", *QUEUE)
    for arguments, message in (
        ([""], "make triage FILE=articles.csv"),
        ([tmp_path], "expected a file of articles"),
        ([tmp_path / "nowhere.csv"], "nowhere.csv"),
        ([queue, "--output", tmp_path / "queue"], "expected another --output: it would replace"),
        ([queue, "--model", "nowhere"], "nowhere does not exist"),
    ):
        status, output, messages = triage(*arguments)
        assert (status, output) == (2, ""), arguments
        assert message in " ".join(messages.split()), arguments
    assert queue.read_text().startswith("id,title")


def test_a_full_disk_keeps_the_earlier_tables(triage: Triage, tmp_path: Path) -> None:
    queue = write(tmp_path / "queue.csv", *QUEUE)
    triage(queue)
    before = {name: (tmp_path / name).read_bytes() for name in (*TABLES, "queue.triage.journal")}
    write(queue, *QUEUE, {"id": "e", "text": "w8"})
    with full_disk(len(before["queue.triage.journal"]) + 100):
        status, _, messages = triage(queue)
    assert (status, messages[:17]) == (1, "No table written:")
    assert {name: (tmp_path / name).read_bytes() for name in TABLES} == {name: before[name] for name in TABLES}
    assert triage(queue)[0] == 0
    assert len(rows(tmp_path / "queue.triage")) == 5
    assert journal(tmp_path)[:4] == before["queue.triage.journal"].decode().splitlines()


def process(options: list[str], queue: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "scripts.triage", *options, str(queue)]
    environment = os.environ | {"ENCODER_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(arguments, cwd=REPOSITORY, env=environment, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def stop(running: subprocess.Popen[str], folder: Path, n_answers: int, how: signal.Signals) -> str:
    """Stop a run as soon as its journal has so many answers, and give its messages."""
    path = folder / "queue.triage.journal"
    while not path.is_file() or path.read_bytes().count(b"\n") < n_answers:
        assert running.poll() is None, running.communicate()
        time.sleep(0.001)
    running.send_signal(how)
    return running.communicate()[1]


@pytest.fixture
def long_queue(tmp_path: Path) -> Path:
    """300 articles, which take seconds."""
    words = random.Random(1)
    texts = [" ".join(f"w{words.randrange(4, 60)}" for _ in range(30)) for _ in range(300)]
    return write(tmp_path / "queue.csv", *({"id": str(number), "text": text} for number, text in enumerate(texts)))


def test_a_killed_run_resumes_to_the_same_files(
    triage: Triage, options: list[str], long_queue: Path, tmp_path: Path
) -> None:
    with process(options, long_queue) as running:
        stop(running, tmp_path, 20, signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    assert not any((tmp_path / name).exists() for name in TABLES)
    kept = (tmp_path / "queue.triage.journal").read_bytes().count(b"\n")
    assert 20 <= kept < 300, "the kill missed the work"
    before = journal(tmp_path)[:kept]
    assert triage(long_queue)[0] == 0
    assert journal(tmp_path)[:kept] == before
    assert len(journal(tmp_path)) == 300
    resumed = {name: (tmp_path / name).read_bytes() for name in TABLES}
    (tmp_path / "queue.triage.journal").unlink()
    assert triage(long_queue)[0] == 0
    assert {name: (tmp_path / name).read_bytes() for name in TABLES} == resumed


def test_ctrl_c_says_that_the_same_command_resumes(options: list[str], long_queue: Path, tmp_path: Path) -> None:
    with process(options, long_queue) as running:
        messages = stop(running, tmp_path, 5, signal.SIGINT)
    assert (running.returncode, messages) == (130, "Stopped; the same command resumes\n")
    assert 5 <= len(journal(tmp_path)) < 300


def test_a_second_run_of_the_same_queue_is_refused(triage: Triage, tmp_path: Path) -> None:
    queue = write(tmp_path / "queue.csv", *QUEUE)
    with Journal(tmp_path / "queue.triage.journal", "the first run"):
        status, _, messages = triage(queue)
    assert status == 1
    assert "queue.triage.journal to be free, got one that another run writes to" in messages
    assert triage(queue)[0] == 0


def test_make_passes_a_file_as_it_was_typed(tmp_path: Path) -> None:
    name = """it's a "queue" of $HOME, `id`, $5 & é.csv"""
    python = tmp_path / "python"
    program = shlex.join([sys.executable, "-c", "import sys; print(sys.argv[-1])"])
    python.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
    python.chmod(0o755)
    make = ["make", "--silent", "--old-file=models/minilm/incident_cls.pt", "triage", f"RUN={python}", f"FILE={name}"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(make, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name}\n", "")
