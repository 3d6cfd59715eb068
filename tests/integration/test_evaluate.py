"""`evaluate` from its arguments to its files, with the tiny model."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts import evaluate

Command = Callable[..., int]
N_INCIDENTS = 30


def write_source(path: Path, reports: int, words: range = range(4, 60)) -> str:
    """Incidents with a word of their own in every report, the last one with one report, and chance words."""
    chance = random.Random(5)
    with path.open("w") as lines:
        for incident in range(1, N_INCIDENTS + 1):
            texts = [
                f"own{incident} {' '.join(f'w{chance.choice(words)}' for _ in range(chance.randrange(3, 12)))}"
                for _ in range(1 if incident == N_INCIDENTS else reports)
            ]
            fields = {"incident_id": incident, "title": f"T{incident}", "reports": [{"text": text} for text in texts]}
            lines.write(json.dumps(fields) + "\n")
    return f"jsonl:{path}"


@pytest.fixture
def run(tiny_folder: Path, tmp_path: Path) -> Iterator[Command]:
    threads = torch.get_num_threads()
    given = ["--model", str(tiny_folder), "--cache", str(tmp_path / "vectors.sqlite"), "--output"]
    yield lambda output, *arguments: evaluate.main([*given, str(output), *map(str, arguments)])
    torch.set_num_threads(threads)


def numbers(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_source_is_measured_and_a_seed_gives_the_same_files(run: Command, tmp_path: Path) -> None:
    source = write_source(tmp_path / "mine.jsonl", reports=3)
    for folder, seed in (("one", 0), ("same", 0), ("other", 1)):
        assert run(tmp_path / folder, "--source", source, "--seed", seed) == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["mine-recall.svg", "mine-reliability.svg", "mine-roc.svg", "mine.json", "mine.md"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "same" / file).read_bytes(), file

    one, other = (numbers(tmp_path / folder / "mine.json") for folder in ("one", "other"))
    assert (one["source"], one["incidents"], one["reports"], one["resamples"]) == ("jsonl:mine.jsonl", 30, 88, 1000)
    parts = one["questions"]["reports"]["parts"]
    whole, drawn_otherwise = parts["all"], other["questions"]["reports"]["parts"]["all"]
    assert {key: whole[key] for key in ("questions", "incidents", "known", "new")} == {
        "questions": 88,
        "incidents": 30,
        "known": 87,
        "new": 88,
    }
    assert whole["ranking"]["tf-idf"]["R@1"] == [1.0, 1.0, 1.0]  # by the word of its own
    assert whole["ranking"]["cosine"]["R@1"][0] < 1  # to the encoder it is an unknown word
    assert whole["ranking"]["cosine"]["MRR"][0] == drawn_otherwise["ranking"]["cosine"]["MRR"][0]
    assert whole["ranking"]["cosine"] != drawn_otherwise["ranking"]["cosine"]
    assert whole["verdict"]["AUROC"][0] > 0.7
    assert whole["verdict"]["false-known"][0] <= 0.05
    single = parts["incidents with one report"]
    assert (single["known"], single["new"]) == (0, 1)
    assert single["ranking"]["hybrid"]["R@1"] == single["verdict"]["AUROC"] == [None, None, None]
    assert "other half" in parts
    assert "one report (1 here) are asked as new only" in (tmp_path / "one" / "mine.md").read_text()


def test_more_texts_are_asked_and_a_report_among_them_is_left_out(run: Command, tmp_path: Path) -> None:
    source = write_source(tmp_path / "mine.jsonl", reports=3)
    incidents = [json.loads(line) for line in (tmp_path / "mine.jsonl").read_text().splitlines()]
    queries = [
        {"incident_id": incident["incident_id"], "headline": report["text"]}
        for incident in incidents
        for report in incident["reports"]
    ]
    queries.append({"incident_id": 999, "text": "w5"})
    (tmp_path / "more-texts.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
    assert run(tmp_path, "--source", source, "--queries", tmp_path / "more-texts.jsonl", "--name", "named") == 0
    asked = numbers(tmp_path / "named.json")["questions"]
    assert asked["more-texts"]["left out"] == 1
    assert asked["more-texts"]["parts"]["all"]["ranking"] == asked["reports"]["parts"]["all"]["ranking"]
    assert asked["more-texts"]["parts"]["all"]["known"] == 87


def test_a_small_source_is_ranked_without_a_verdict(run: Command, tmp_path: Path) -> None:
    source = write_source(tmp_path / "mine.jsonl", reports=1)
    assert run(tmp_path, "--source", source) == 0
    whole = numbers(tmp_path / "mine.json")["questions"]["reports"]["parts"]["all"]
    assert (whole["known"], whole["new"], whole["verdict"]) == (0, 30, {})
    assert "too few reports to tell" in (tmp_path / "mine.md").read_text()
    assert not list(tmp_path.glob("*.svg"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "elsewhere"], "expected a source"),
        (["--queries", "missing.jsonl"], "missing.jsonl"),
        (["--model", "missing"], "missing"),
    ],
)
def test_what_cannot_be_used_is_said_and_nothing_is_written(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(tmp_path / "pages", *arguments) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Nothing was written: ")
    assert message in printed
    assert not (tmp_path / "pages").exists()


def test_one_incident_cannot_be_told_from_others(
    run: Command, tmp_path: Path, source: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "pages", "--source", source({5: ["w5", "w6"]})) == 1
    assert "expected at least two incidents with a report that can be used, got one" in capsys.readouterr().err
    assert run(tmp_path / "pages", "--source", source({5: ["w5", "w6"], 6: ["w7"]})) == 0


def test_no_query_about_an_incident_of_the_source_is_a_mistake(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.jsonl").write_text('{"incident_id": 999, "text": "w5"}\n')
    source = write_source(tmp_path / "mine.jsonl", reports=2)
    assert run(tmp_path / "pages", "--source", source, "--queries", tmp_path / "other.jsonl") == 1
    assert "expected a query about an incident of the source, got none in other" in capsys.readouterr().err
