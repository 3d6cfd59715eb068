"""Commands as a person types them, in processes of their own."""

import dataclasses
import io
import json
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.names import SERVICE
from scripts import ask as ask_command
from scripts.local.service import call

AskHere = Callable[..., tuple[int, str, str]]
REPOSITORY = Path(__file__).resolve().parents[2]
NASTY = """it's a "test" of $HOME, $(id), ${PATH}, `id`, $5, #hash, back\\slash, %d; & | > * ? é – ok"""


def run(*command: str | Path, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    set_by_make = {
        "TEXT",
        "NUM",
        "RANK",
        "URL",
        "JSON",
        "SOURCE",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
    }  # when make runs these tests
    inherited = {key: value for key, value in os.environ.items() if key not in set_by_make}
    return subprocess.run(
        [str(part) for part in command],
        cwd=REPOSITORY,
        env=inherited | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ask(*arguments: str | Path, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "scripts.ask", *arguments, stdin=stdin, **environment)


@pytest.fixture
def ask_here(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """The command within this process, which is quicker: gives its exit status, its answer and its messages."""
    level = logging.getLogger(SERVICE).level

    def ask_here(*arguments: str | Path, stdin: str = "", text: str = "") -> tuple[int, str, str]:
        configure(MODEL_PATH="", INDEX_PATH="", POWERTOOLS_METRICS_DISABLED="true", TEXT=text)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        status = ask_command.main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    yield ask_here
    logging.getLogger(SERVICE).setLevel(level)


@pytest.fixture(scope="module")
def tiny_service(
    tiny_folder: Path, tiny_index: IncidentIndex, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str, str, str]:
    """The options that select the tiny model and index."""
    index = tmp_path_factory.mktemp("index") / "incident_cls.pt"
    save_index(tiny_index, index)
    return ("--model", str(tiny_folder), "--index", str(index))


def test_the_answer_is_a_table(tiny_service: tuple[str, ...]) -> None:
    done = ask("w6", "--num", "2", *tiny_service)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    header, first, link, second, *_ = lines[next(at for at, line in enumerate(lines) if line.startswith("rank ")) :]
    assert {"rank", "similarity", "id", "title"} <= set(header.split())
    assert [first.split()[0], *first.split()[-3:]] == ["1", "60", "Incident", "60"]
    assert link == "      https://incidentdatabase.ai/cite/60"
    assert second.split()[0] == "2"
    assert lines[-1] == "Out of 4 incidents, indexed 2026-01-02T03:04:05+00:00 with tiny."


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], {"rank": "hybrid"}),
        (["--rank=cosine", "--url", "https://example.org/a"], {"rank": "cosine", "url": "https://example.org/a"}),
    ],
)
def test_the_service_is_asked_for_the_rank_and_told_the_address(
    ask_here: AskHere,
    tiny_service: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    asked: dict[str, str],
) -> None:
    events: list[dict[str, Any]] = []

    def overheard(script: str, event: dict[str, Any]) -> dict[str, Any]:
        events.append(event)
        return call(script, event)

    monkeypatch.setattr(ask_command, "call", overheard)
    assert ask_here("w6", *options, *tiny_service)[0] == 0
    assert events == [{"text": "w6", "num": "3"} | asked]


def test_the_answer_can_be_json(ask_here: AskHere, tiny_service: tuple[str, ...]) -> None:
    status, answer, _ = ask_here("w6", "--num", "-1", "--json", *tiny_service)
    assert status == 0
    assert len(json.loads(answer)["similar"]) == 4


def test_a_text_comes_from_an_argument_a_file_standard_input_or_the_environment(
    ask_here: AskHere, tiny_service: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("w6", encoding="utf-8")
    answers = {
        ask_here("w6", "--json", *tiny_service),
        ask_here(f"@{tmp_path / 'text'}", "--json", *tiny_service),
        ask_here("-", "--json", *tiny_service, stdin="w6"),
        ask_here("--json", *tiny_service, text="w6"),
        ask_here("--json", *tiny_service, text="-", stdin="w6"),
    }
    ((status, answer, messages),) = answers
    assert (status, messages) == (0, "")
    assert json.loads(answer)["similar"][0]["incident_id"] == 60


def test_a_title_is_printed_as_it_is(tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path) -> None:
    titles = ["Chatbot [/b] leak", "[red]red[/red] :robot:", "é", "[link=x]"]
    save_index(dataclasses.replace(tiny_index, titles=titles), tmp_path / "index.pt")
    done = ask("w6", "--num=-1", "--model", tiny_folder, "--index", tmp_path / "index.pt", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    for title in ("Chatbot [/b] leak", "[red]red[/red] :robot:", "\\xe9", "[link=x]"):
        assert title in done.stdout


def test_without_results_there_is_no_table(ask_here: AskHere, tiny_service: tuple[str, ...]) -> None:
    _, answer, _ = ask_here("w6", "--num", "0", *tiny_service)
    assert any(line.startswith("Note: No incidents returned") for line in answer.splitlines())
    assert not any(line.startswith("rank ") for line in answer.splitlines())


def test_an_invalid_setting_is_named(tiny_service: tuple[str, ...]) -> None:
    done = ask("w6", *tiny_service, MAX_TEXT_CHARACTERS="many")
    assert done.returncode == 2
    assert "expected MAX_TEXT_CHARACTERS to be a positive whole number below a billion, got 'many'" in done.stderr


def test_an_unusable_index_is_named_once(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "index.pt").write_text("no index")
    done = ask("w6", "--model", tiny_folder, "--index", tmp_path / "index.pt", LOG_LEVEL="nonsense")
    assert done.returncode == 1
    assert done.stderr.endswith("index.pt: damaged or foreign, expected an index of known incidents\n")
    assert len(done.stderr.splitlines()) == 1


def test_warnings_stand_above_the_table(ask_here: AskHere, tiny_service: tuple[str, ...]) -> None:
    _, answer, _ = ask_here("w6", "--num", "many", *tiny_service)
    lines = answer.splitlines()
    note = lines.index('Note: Provided value for "num" invalid, using default of 3.')
    assert note < next(at for at, line in enumerate(lines) if line.startswith("rank "))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, 'expected a text, as an argument or in the variable TEXT: make similar TEXT="…"'),
        (["@nowhere"], 2, "expected a readable UTF-8 text, got [Errno 2] No such file or directory: 'nowhere'"),
        (["w6", "--model", "nowhere"], 2, "nowhere does not exist; `make index` makes the default model and index"),
        ([" "], 1, "nothing "),
        (["w6", "--nun", "3"], 2, "No such option: --nun"),
        (["w6", "--rank", "best"], 2, "'best' is not one of 'hybrid', 'cosine'"),
    ],
)
def test_a_mistake_is_explained(tiny_service: tuple[str, ...], arguments: list[str], status: int, message: str) -> None:
    done = ask(*tiny_service, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def similar_by_make(folder: Path, program: str, *arguments: str, **environment: str) -> str:
    """What `make similar` prints if a Python program takes the place of the command."""
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-c", program])} "$@"\n')
    python.chmod(0o755)
    make = ["make", "--silent", "--old-file=models/minilm/incident_cls.pt", "similar", f"RUN={python}"]
    done = run(*make, *arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("where", ["argument", "environment"])
def test_make_passes_a_text_as_it_was_typed(where: str, tmp_path: Path) -> None:
    arguments, environment = ([f"TEXT={NASTY}"], {}) if where == "argument" else ([], {"TEXT": NASTY})
    printed = similar_by_make(tmp_path, 'import os; print(os.environ["TEXT"])', *arguments, **environment)
    assert printed == NASTY + "\n"


@pytest.mark.parametrize(("variable", "option"), [("NUM", "num"), ("RANK", "rank"), ("URL", "url")])
def test_make_passes_an_option_as_it_was_typed(variable: str, option: str, tmp_path: Path) -> None:
    program = "import sys; print(*sys.argv[1:], sep='\\n')"
    assert f"--{option}={NASTY}" in similar_by_make(tmp_path, program, f"{variable}={NASTY}").splitlines()
    assert f"--{option}" not in similar_by_make(tmp_path, program)


def test_the_server_reads_its_origins_and_no_other_setting_of_the_stack(tiny_service: tuple[str, ...]) -> None:
    command = (sys.executable, "-m", "scripts.serve", *tiny_service)
    done = run(*command, ARCHITECTURE="none", LAMBDA_MEMORY_MB="much", CORS_ALLOW_ORIGINS="*")
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected CORS_ALLOW_ORIGINS to hold origins such as https://example.org, got '*'" in done.stderr
    assert "ARCHITECTURE" not in done.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_a_port_out_of_range_is_refused(tiny_service: tuple[str, ...], port: str) -> None:
    done = run(sys.executable, "-m", "scripts.serve", f"--port={port}", *tiny_service)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--port'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["ask", "fetch_model", "openapi", "serve"])
def test_help_does_not_wait_for_slow_imports(command: str) -> None:
    slow = ["torch", "transformers", "starlette", "uvicorn", "rich"]
    program = f"""
import sys
from scripts.{command} import main
status = main(["--help"])
print([name for name in {slow} if name in sys.modules], file=sys.stderr)
sys.exit(status)
"""
    done = run(sys.executable, "-c", program)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert "Exit status: 0 " in done.stdout


def test_make_alone_lists_every_target() -> None:
    listed = {line.split()[1] for line in run("make").stdout.splitlines()}
    makefile = (REPOSITORY / "Makefile").read_text()
    assert listed == set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))
    assert {"similar", "test", "check", "serve"} <= listed


def test_make_passes_a_source_as_it_was_typed(tmp_path: Path) -> None:
    python = tmp_path / "python"
    program = shlex.join([sys.executable, "-c", 'import os; print(os.environ["SOURCE"])'])
    python.write_text(f"#!/bin/sh\nexec {program}\n")
    python.chmod(0o755)
    made = ["--old-file=models/minilm/manifest.json", "--old-file=.venv/job.stamp"]
    done = run("make", "--silent", *made, "index", f"RUN={python}", f"SOURCE={NASTY}")
    assert (done.returncode, done.stdout, done.stderr) == (0, NASTY + "\n", "")
