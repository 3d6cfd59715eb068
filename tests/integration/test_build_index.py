"""Building, importing, checking and comparing indexes, through the command line's own main."""

import dataclasses
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import similar
from incidents.index.file import load_index, save_index
from incidents.index.incident_index import EncoderInfo, IncidentIndex
from incidents.model.encoder import Encoder
from scripts import build_index
from scripts.sources import spec
from support.envelope import open_answer
from support.full_disk import full_disk
from support.tiny import make_index

REPOSITORY = Path(__file__).resolve().parents[2]
NLP_LAMBDAS = REPOSITORY.parent / "shared" / "data" / "nlp-lambdas"
Build = Callable[..., int]


@pytest.fixture
def build(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """The command line with the tiny model and a cache and an output of its own; gives the exit status."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")  # 2026-01-02T03:04:05

    def run(*arguments: str | Path, model: bool = True) -> int:
        given = {"--model": tiny_folder} if model else {}
        if "--check" not in arguments:
            given["--output"] = tmp_path / "incident_cls.pt"
            if not any(str(argument).partition(":")[0] in spec.IMPORTS for argument in arguments):
                given["--cache"] = tmp_path / "vectors.sqlite"
        defaults = [part for option in given if option not in arguments for part in (option, given[option])]
        monkeypatch.setattr(sys, "argv", ["build_index.py", *map(str, [*defaults, *arguments])])
        return build_index.main()

    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., str]:
    """Write incidents as a source: source({5: ["a text"]})."""

    def write(incidents: dict[int, list[str]], titles: str = "Incident {}") -> str:
        lines = [
            json.dumps({"incident_id": i, "title": titles.format(i), "reports": [{"text": text} for text in texts]})
            for i, texts in incidents.items()
        ]
        (tmp_path / "some.jsonl").write_text("".join(line + "\n" for line in lines))
        return f"jsonl:{tmp_path / 'some.jsonl'}"

    return write


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_an_incidents_vector_is_the_plain_mean_of_its_reports(
    build: Build, source: Callable[..., str], tiny_encoder: Encoder, tmp_path: Path
) -> None:
    texts = {9: ["w5 w6 w7", " ", "w8", "**w10**"], 4: ["w9"], 5: ["\u200b"], 7: []}
    assert build("--source", source(texts)) == 0
    index = load_index(tmp_path / "incident_cls.pt")
    assert (index.ids.tolist(), index.report_counts.tolist()) == ([4, 9], [1, 3])
    assert index.titles == ["Incident 4", "Incident 9"]
    mean = sum(tiny_encoder.encode(text).vector for text in ("w5 w6 w7", "w8", "w10")) / 3
    assert (index.vectors[1] - mean).abs().max() <= 1e-6
    assert (index.vectors[0] - tiny_encoder.encode("w9").vector).abs().max() <= 1e-6
    assert (index.source, index.built_at) == ("jsonl:some.jsonl", "2026-01-02T03:04:05+00:00")
    assert index.encoder == EncoderInfo(tiny_encoder.name, "", tiny_encoder.fingerprint, 32, 40)


def test_what_was_done_is_counted_and_what_was_skipped_listed(
    build: Build, source: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts = {9: ["w5", " ", "w6"], 4: ["w5", "w7 " * 50], 7: [], 8: ["---"]}
    assert build("--source", source(texts), "--json") == 0
    counts = ("incidents", "reports", "new", "reused", "truncated", "pruned")
    first = answer(capsys)
    assert [first[count] for count in counts] == [2, 4, 3, 1, 1, 0]
    assert first["skipped"] == [
        {"incident_id": 7, "report": 0, "reason": "none of its reports can be used"},
        {"incident_id": 8, "report": 0, "reason": "none of its reports can be used"},
        {"incident_id": 8, "report": 1, "reason": "it has no text"},
        {"incident_id": 9, "report": 2, "reason": "it has no text"},
    ]
    assert (first["path"], first["source"]) == (str(tmp_path / "incident_cls.pt"), "jsonl:some.jsonl")

    assert build("--source", source({9: ["w5", "w6"], 4: ["w8"]}), "--json", "--prune") == 0
    second = answer(capsys)
    assert [second[count] for count in counts] == [2, 3, 1, 2, 0, 1]
    assert second["skipped"] == []

    assert build("--source", source(texts)) == 0
    printed = capsys.readouterr()
    assert [line.split() for line in printed.out.splitlines() if "2  " in line] == [["2", "4", "1", "3", "4", "1"]]
    assert "Skipped incident 9, report 2: it has no text\n" in printed.out
    assert "Skipped incident 7: none of its reports can be used\n" in printed.out


def test_without_a_cache_everything_is_embedded_again(
    build: Build, source: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = source({9: ["w5", "w6"]})
    for _ in range(2):
        assert build("--source", spec, "--no-cache", "--json") == 0
        assert answer(capsys)["new"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["incident_cls.pt", "some.jsonl"]


def test_a_long_list_is_cut_on_the_screen(
    build: Build, source: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("--source", source({n: ["" if n > 1 else "w5"] for n in range(1, 30)})) == 0
    printed = capsys.readouterr().out
    assert printed.count("Skipped incident") == 20
    assert "Skipped 36 more; --json lists all\n" in printed


TEXTS = st.sampled_from(["w5", "w6 w7", "**w6** w7", "w8 " * 60, " ", "w9 w10 w11", "w12", "W5 unknown"])
STATES = st.lists(
    st.dictionaries(st.integers(1, 6), st.lists(TEXTS, max_size=4), max_size=6), min_size=1, max_size=4
)  # reports that were changed, added, removed or moved, incidents likewise


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=STATES, workers=st.integers(1, 3))
def test_after_any_edits_the_file_is_that_of_a_build_from_nothing(
    build: Build, source: Callable[..., str], tmp_path: Path, states: list[dict[int, list[str]]], workers: int
) -> None:
    for state in states:
        spec = source(state)
        (tmp_path / "incident_cls.pt").write_text("the old one")
        status = build("--source", spec, f"--workers={workers}")
        assert build("--source", spec, "--no-cache", "--output", tmp_path / "anew.pt") == status
        usable = any(text.strip() for texts in state.values() for text in texts)
        assert status == (0 if usable else 1)
        if usable:
            assert (tmp_path / "incident_cls.pt").read_bytes() == (tmp_path / "anew.pt").read_bytes()
        else:
            assert (tmp_path / "incident_cls.pt").read_text() == "the old one"


def test_only_the_time_differs_between_two_builds(
    build: Build, source: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    spec = source({9: ["w5"]})
    indexes = []
    for name in ("first.pt", "second.pt"):
        assert build("--source", spec, "--output", tmp_path / name) == 0
        indexes.append(dataclasses.replace(load_index(tmp_path / name), built_at="2026-01-02T03:04:05+00:00"))
        save_index(indexes[-1], tmp_path / name)
    assert (tmp_path / "first.pt").read_bytes() == (tmp_path / "second.pt").read_bytes()


def test_vectors_of_texts_that_were_computed_together_are_kept_apart(
    build: Build, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = source({n: ["w5 " * n, "w6 w7 " * n] for n in range(1, 9)})
    found = []
    for options in (["--batch", "16"], [], ["--batch", "16"], ["--batch", "4"], ["--batch", "1"]):
        assert build("--source", spec, "--json", *options) == 0
        found.append((answer(capsys)["new"], (tmp_path / "incident_cls.pt").read_bytes()))
    assert build("--source", spec, "--no-cache", "--json", "--output", tmp_path / "anew.pt") == 0
    assert [new for new, _ in found] == [16, 16, 0, 16, 0]
    assert found[1][1] == found[4][1] == (tmp_path / "anew.pt").read_bytes()


# What cannot be built


def refused(status: int, message: str, capsys: pytest.CaptureFixture[str], old: Path | None = None) -> None:
    printed = capsys.readouterr()
    assert (status, printed.out) == (1, "")
    assert re.search("^(No index written|Not in order): .*" + re.escape(message), printed.err, re.MULTILINE | re.DOTALL)
    assert "Traceback" not in printed.err
    if old:
        assert old.read_text() == "the old one"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected at least one incident"),
        ('{"incident_id": 1, "title": "One", "reports": []}', "expected at least one incident with a report"),
        ('{"incident_id": 1, "title": "One", "reports": [{"text": "w5"}]}\n{"incident_id": 2', "line 2: expected"),
        ('{"incident_id": 1, "title": "One", "reports": [{"text": "w5"}]}\n' * 2, "every incident once, got 1 twice"),
    ],
)
def test_a_source_that_cannot_be_used_leaves_the_old_index(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (tmp_path / "some.jsonl").write_text(content)
    (tmp_path / "incident_cls.pt").write_text("the old one")
    refused(build("--source", f"jsonl:{tmp_path / 'some.jsonl'}"), message, capsys, tmp_path / "incident_cls.pt")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("somewhere", "expected a source, one of\n  sample "),
        ("jsonl:nowhere", "No such file or directory: 'nowhere'"),
        ("snapshot:nowhere", "No such file or directory: 'nowhere'"),
        ("mongodb:NOT_SET", "expected a MongoDB URI in the variable NOT_SET, which is not set"),
    ],
)
def test_a_source_that_is_not_there_is_named(
    build: Build, capsys: pytest.CaptureFixture[str], spec: str, message: str
) -> None:
    refused(build("--source", spec), message, capsys)


def test_a_damaged_model_leaves_the_old_index(
    build: Build, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "config.json").unlink()
    (tmp_path / "incident_cls.pt").write_text("the old one")
    refused(build("--model", tmp_path / "model"), "config.json: missing", capsys, tmp_path / "incident_cls.pt")


def test_a_model_that_is_not_as_it_was_fetched_is_refused(
    build: Build, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "manifest.json").write_text(json.dumps({"files": {"config.json": "0" * 64}}))
    refused(build("--model", tmp_path / "model"), "config.json: expected sha256 0000", capsys)


@pytest.mark.parametrize(
    "arguments", [(), ("--source", "legacy-pt:old.pt"), ("--check", "index.pt")], ids=["build", "import", "check"]
)
def test_a_model_with_a_file_too_many_is_refused(
    build: Build,
    tiny_folder: Path,
    tiny_encoder: Encoder,
    tiny_index: IncidentIndex,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_index(tiny_index, tmp_path / "index.pt")
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "manifest.json").write_text(
        json.dumps({"fingerprint": tiny_encoder.fingerprint, "files": {}})
    )
    (tmp_path / "model" / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    message = f"of what is in the folder, got {tiny_encoder.fingerprint}; fetch the model again"
    refused(build("--model", tmp_path / "model", *arguments), message, capsys)


def test_a_foreign_cache_is_named_and_left_alone(
    build: Build, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vectors.sqlite").write_text("somebody's notes" * 100)
    refused(build("--source", source({1: ["w5"]})), "vectors.sqlite: damaged or foreign", capsys)
    assert (tmp_path / "vectors.sqlite").read_text() == "somebody's notes" * 100


@pytest.mark.parametrize("limit_bytes", [100, 20_000, 60_000])
def test_a_full_disk_loses_nothing(
    build: Build, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str], limit_bytes: int
) -> None:
    """Whether it is full before anything is written, in the middle of the vectors, or later."""
    (tmp_path / "incident_cls.pt").write_text("the old one")
    spec = source({n: [f"w{4 + n % 50} w{4 + n // 50}"] for n in range(1, 200)})
    with full_disk(limit_bytes):
        status = build("--source", spec)
    refused(status, "", capsys, tmp_path / "incident_cls.pt")
    cache = {"vectors.sqlite", "vectors.sqlite-wal", "vectors.sqlite-shm"}
    assert {path.name for path in tmp_path.iterdir()} - cache == {"incident_cls.pt", "some.jsonl"}
    assert build("--source", spec) == 0
    assert build("--source", spec, "--no-cache", "--output", tmp_path / "anew.pt") == 0
    assert (tmp_path / "incident_cls.pt").read_bytes() == (tmp_path / "anew.pt").read_bytes()


def test_a_disk_too_full_for_the_index_keeps_the_vectors(
    build: Build, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = source({n: [f"w{4 + n % 50} w{4 + n // 50}"] for n in range(1, 400)})
    assert build("--source", spec, "--output", tmp_path / "first.pt") == 0
    (tmp_path / "incident_cls.pt").write_text("the old one")
    capsys.readouterr()
    with full_disk((tmp_path / "first.pt").stat().st_size - 1):
        status = build("--source", spec)
    refused(status, "File too large", capsys, tmp_path / "incident_cls.pt")
    assert not list(tmp_path.glob(".*"))
    assert build("--source", spec, "--json") == 0
    assert answer(capsys)["new"] == 0


@pytest.mark.parametrize(
    "output", ["/proc/incident_cls.pt", "/nowhere/incident_cls.pt", "/tmp", "/dev/null/incident_cls.pt"]
)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    build: Build, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    refused(build("--source", source({1: ["w5"]}), "--output", output), f"got {output}: ", capsys)
    assert not (tmp_path / "vectors.sqlite").exists()


@pytest.mark.parametrize("options", [("--json",), ()], ids=["json", "tables"])
@pytest.mark.parametrize("gone", [True, False], ids=["reader gone", "disk full"])
def test_an_index_that_could_not_be_announced_is_not_called_missing(
    build: Build,
    source: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    gone: bool,
) -> None:
    spec = source({1: ["w5"]})
    reader, writer = os.pipe()
    os.close(reader)
    with (
        os.fdopen(writer, "w") if gone else Path("/dev/full").open("w") as stdout,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stdout", stdout)
        assert build("--source", spec, *options) == 3
    assert len(load_index(tmp_path / "incident_cls.pt")) == 1
    assert "incident_cls.pt is in order, but what there is to say could not be printed: " in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_missed(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    refused(build("--device", "cuda"), "expected a GPU for --device cuda; torch", capsys)


@pytest.mark.parametrize("epoch", ["yesterday", "9" * 30])
def test_a_time_that_is_none_is_named(
    build: Build, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    refused(build(), f"expected SOURCE_DATE_EPOCH to be seconds since 1970, got {epoch!r}", capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--source", "state-csv:state.csv"), "vectors need either --encoder-name, or --model"),
        (("--source", "legacy-pt:x.pt", "--encoder-name", "x"), "vectors with --encoder-name need an --output"),
        (
            ("--source", "state-csv:x.csv", "--encoder-name", "x", "--output", "y", "--device", "cuda", "--batch", "7"),
            "without effect with a source of vectors: --batch, --device",
        ),
        (
            ("--source", "legacy-pt:x.pt", "--workers", "3", "--prune", "--no-cache", "--cache", "z"),
            "without effect with a source of vectors: --cache, --no-cache, --prune, --workers",
        ),
        (
            ("--source", "legacy-pt:x.pt", "--model", "m", "--encoder-tokens", "5"),
            "without effect with --model: --encoder-revision, --encoder-tokens",
        ),
        (
            ("--encoder-name", "x", "--encoder-revision", "y", "--encoder-tokens", "5"),
            "without effect with a source of texts: --encoder-name, --encoder-revision, --encoder-tokens",
        ),
        (("--check", "x.pt", "--source", "jsonl:x", "--prune"), "without effect with --check: --prune, --source"),
        (("--prune", "--no-cache"), "without effect with --no-cache: --prune"),
        (("--workers", "0"), "expected a whole number above 0, got '0'"),
        (("--device", "tpu"), "invalid choice: 'tpu'"),
    ],
)
def test_arguments_that_do_not_fit_together_are_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["build_index.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        build_index.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(
    build: Build, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build_index, "embed", stop)
    assert build() == 130
    assert "the same command goes on from here" in capsys.readouterr().err


# Importing vectors


def test_a_real_users_state_csv_answers_an_embed_and_refuses_a_text(
    build: Build, tmp_path: Path, tiny_folder: Path, configure: Callable[..., None]
) -> None:
    (tmp_path / "state.csv").write_text(
        "incident_id,count,mean\n" + "".join(f'{n},3,"{[float(n == k) for k in range(32)]}"\n' for n in range(1, 9))
    )
    name = ("--encoder-name", "allenai/longformer-base-4096", "--encoder-revision", "main")
    assert build("--source", f"state-csv:{tmp_path / 'state.csv'}", *name, model=False) == 0
    index = load_index(tmp_path / "incident_cls.pt")
    assert index.encoder == EncoderInfo("allenai/longformer-base-4096", "main", "unknown", 32, 2000)
    assert (index.report_counts.tolist(), index.titles[0]) == ([3] * 8, "Incident 1")

    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "incident_cls.pt")
    status, body = open_answer(similar.handler({"embed": [float(k == 5) for k in range(32)], "num": 1}, None))
    assert (status, body["msg"]) == (200, "[(1.0, 5)]")
    status, body = open_answer(similar.handler({"text": "w5"}, None))
    assert status == 503
    assert "expected an index built with" in body["msg"]
    assert "got one built with allenai/longformer-base-4096 main (unknown)" in body["msg"]


def test_a_model_that_is_named_vouches_for_imported_vectors(
    build: Build, tmp_path: Path, tiny_folder: Path, tiny_encoder: Encoder, configure: Callable[..., None]
) -> None:
    vectors = [torch.stack([tiny_encoder.encode("w5").vector] * 2), None, tiny_encoder.encode("w7").vector.unsqueeze(0)]
    torch.save(vectors, tmp_path / "old.pt")
    assert build("--source", f"legacy-pt:{tmp_path / 'old.pt'}") == 0
    index = load_index(tmp_path / "incident_cls.pt")
    assert (index.ids.tolist(), index.report_counts.tolist()) == ([1, 3], [2, 1])
    assert (index.source, index.encoder.fingerprint) == ("legacy-pt:old.pt", tiny_encoder.fingerprint)
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "incident_cls.pt")
    status, body = open_answer(similar.handler({"text": "w7", "num": 1}, None))
    assert (status, body["similar"][0]["incident_id"]) == (200, 3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,1,[1.0]\n", "incident 1: expected a vector of 32 numbers, got (1,)"),
        ("", "expected at least one incident"),
        (f'1,1,"{[math.nan] * 32}"\n'.replace("nan", "NaN"), "incident 1: expected a vector of finite"),
        (f'1,1,"{[1.0] * 32}"\n' * 2, "expected every incident once, got 1 twice"),
        (f'1,1,"{[0.0] * 32}"\n', "expected every vector to be finite and not zero"),
        (f'1,0,"{[1.0] * 32}"\n', "expected at least one incident"),
        (f'-1,1,"{[1.0] * 32}"\n', "line 2: expected incident_id and count (whole numbers in 64 bits)"),
    ],
)
def test_vectors_that_are_none_are_refused(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, message: str
) -> None:
    (tmp_path / "state.csv").write_text("incident_id,count,mean\n" + rows)
    refused(build("--source", f"state-csv:{tmp_path / 'state.csv'}"), message, capsys)


@pytest.mark.skipif(not NLP_LAMBDAS.is_dir(), reason="the real vectors are not on this machine")
def test_the_golden_answer_after_importing_the_real_state_csv(
    build: Build, tmp_path: Path, configure: Callable[..., None]
) -> None:
    name = ("--encoder-name", "allenai/longformer-base-4096")
    assert build("--source", f"state-csv:{NLP_LAMBDAS / 'state.csv'}", *name, model=False) == 0
    configure(INDEX_PATH=tmp_path / "incident_cls.pt")
    event = {"body": (NLP_LAMBDAS / "incident_1_embedding.json").read_text()}
    status, body = open_answer(similar.handler(event, None))
    assert status == 200
    assert [match["incident_id"] for match in body["similar"]] == [1, 55, 39]
    assert [match["similarity"] for match in body["similar"]] == pytest.approx(
        [0.9975790978, 0.9968798161, 0.9966242313], rel=0, abs=1e-6
    )
    assert body["index"]["incidents"] == 178


# Checking and comparing


def test_an_index_in_order_is_described(
    build: Build, source: Callable[..., str], tmp_path: Path, tiny_encoder: Encoder, capsys: pytest.CaptureFixture[str]
) -> None:
    build("--source", source({9: ["w5", "w6"], 4: ["w7"]}))
    capsys.readouterr()
    assert build("--check", tmp_path / "incident_cls.pt", "--json") == 0
    found = answer(capsys)
    assert (found["incidents"], found["reports"], found["new"], found["truncated"]) == (2, 3, None, None)
    assert found["encoder"]["fingerprint"] == tiny_encoder.fingerprint
    assert found["notes"][0].startswith("built with the model in ")
    assert build("--check", tmp_path / "incident_cls.pt", model=False) == 0
    assert "Note: there is no model beside it" in capsys.readouterr().out


def test_an_index_of_another_model_is_not_in_order(
    build: Build, tiny_index: IncidentIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(tiny_index, encoder=dataclasses.replace(tiny_index.encoder, fingerprint="0" * 64))
    save_index(other, tmp_path / "other.pt")
    refused(build("--check", tmp_path / "other.pt"), "expected one built with", capsys)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged or foreign"),
        (lambda path: path.write_text("no index"), "damaged or foreign"),
        (lambda path: torch.save([torch.ones(2, 32), None], path), "expected a dict with a format_version, got list"),
        (lambda path: torch.save({"format_version": 0}, path), "expected format version 1, got 0; build it again"),
        (lambda path: path.unlink(), "missing"),
    ],
)
def test_a_file_that_is_no_index_is_not_in_order(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Callable[[Path], object], message: str
) -> None:
    save_index(make_index({1: torch.ones(2)}, EncoderInfo("", "", "", 2, 2)), tmp_path / "other.pt")
    write(tmp_path / "other.pt")
    refused(build("--check", tmp_path / "other.pt"), message, capsys)


def test_a_build_says_what_came_went_and_moved(
    build: Build, source: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build("--source", source({1: ["w5"], 2: ["w6"], 3: ["w7"], 4: ["w8"]}))
    capsys.readouterr()
    edited = source({2: ["w6"], 3: ["w7", "w7 w8"], 4: ["w40 w41"], 5: ["w9"]})
    assert build("--source", edited, "--diff", tmp_path / "incident_cls.pt", "--json") == 0
    diff = answer(capsys)["diff"]
    assert (diff["came"], diff["went"], diff["n_moved"]) == ([5], [1], 2)
    assert sorted(move["incident_id"] for move in diff["moved_most"]) == [3, 4]
    similarities = [move["similarity"] for move in diff["moved_most"]]
    assert similarities == sorted(similarities)
    assert all(-1.0 <= similarity < 1.0 for similarity in similarities)

    assert build("--source", edited, "--diff", tmp_path / "incident_cls.pt") == 0
    printed = capsys.readouterr().out
    assert "0 incidents came\n0 incidents went\n0 incidents moved\n" in printed


def test_vectors_of_different_encoders_are_not_compared(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_encoder: Encoder
) -> None:
    encoder = EncoderInfo("tiny", "1", tiny_encoder.fingerprint, 32, 40)
    save_index(make_index({1: torch.ones(32), 2: torch.ones(32)}, encoder), tmp_path / "new.pt")
    save_index(
        make_index({2: torch.ones(2)}, dataclasses.replace(encoder, width=2, fingerprint="0")), tmp_path / "old.pt"
    )
    assert build("--check", tmp_path / "new.pt", "--diff", tmp_path / "old.pt") == 0
    printed = capsys.readouterr().out
    assert "1 incidents came: 1\n0 incidents went\nThe vectors cannot be compared: another encoder made them" in printed


@pytest.mark.parametrize(("name", "revision", "compared"), [("A", "1", True), ("B", "1", False), ("A", "2", False)])
def test_imported_vectors_are_compared_if_one_encoder_is_said_to_have_made_them(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, revision: str, compared: bool
) -> None:
    old, new = tmp_path / "old.pt", tmp_path / "state.csv"
    save_index(make_index({1: torch.tensor([1.0, 1.0])}, EncoderInfo("A", "1", "unknown", 2, 2000)), old)
    new.write_text('incident_id,count,mean\n1,1,"[1.0, 2.0]"\n')
    encoder = ("--encoder-name", name, "--encoder-revision", revision)
    assert build("--source", f"state-csv:{new}", *encoder, "--diff", old, "--json", model=False) == 0
    assert answer(capsys)["diff"]["n_moved"] == (1 if compared else None)


# The command line as a person starts it


def test_the_command_line_builds_the_sample_and_documents_itself(tiny_folder: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "scripts.build_index"]
    options = ["--model", str(tiny_folder), "--output", str(tmp_path / "index.pt"), "--no-cache"]
    done = subprocess.run([*program, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(load_index(tmp_path / "index.pt")) == 67
    assert "embedding" in done.stderr
    assert "182 of 182 reports" in done.stderr
    assert "tokens/s" in done.stderr
    shown = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout
    assert spec.SPECS in shown
    assert "exit status:\n  0  " in shown
