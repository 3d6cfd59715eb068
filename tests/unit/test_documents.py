"""What the documents say is true of the code."""

import ast
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from incidents.http.routes import ALIASES, script_names
from incidents.settings import Settings
from infrastructure.settings import Settings as StackSettings
from scripts.sources.spec import TEXT_SPECS, VECTOR_SPECS
from support.documents import DOCUMENTS, NOT_RUN, REPOSITORY, anchors, blocks, commands, links, name

DOCS = REPOSITORY / "docs"
README = (REPOSITORY / "README.md").read_text()
MAKEFILE = (REPOSITORY / "Makefile").read_text()
SETTINGS = (DOCS / "reference" / "settings.md").read_text()
SPEED = (DOCS / "reference" / "speed.md").read_text()


def section(text: str, heading: str) -> str:
    """The text under a heading of the second level."""
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def rows(text: str) -> list[list[str]]:
    """The cells of all tables' rows."""
    lines = re.findall(r"^\| (.*) \|$", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


def settings_under(heading: str) -> dict[str, str]:
    """The variables in the table under a heading, with their defaults as they are written."""
    return {row[0].strip("`"): row[1] for row in rows(section(SETTINGS, heading)) if re.fullmatch("`[A-Z_]+`", row[0])}


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    for link in links(document):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_files_that_are_named_exist(document: Path) -> None:
    """In code marks, from the repository's root; what a command makes does not count."""
    made = ("inference/model", "inference/tokens.py")
    for path in re.findall(
        r"`((?:inference|infrastructure|scripts|docs|sample|tests)/[\w./-]*)`", document.read_text()
    ):
        assert path.startswith(made) or (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_blocks_of_json_are_json(document: Path) -> None:
    for block in blocks(document.read_text(), "json"):
        assert json.loads(block)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_targets_that_are_named_are_targets_of_make(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
    named = re.findall(r"^\$ make ([a-z][a-z-]*)|`make ([a-z][a-z-]*)", document.read_text(), flags=re.MULTILINE)
    assert {one or other for one, other in named} <= targets


def test_every_reason_not_to_run_a_command_is_of_one() -> None:
    texts = [command.text for document in DOCUMENTS for command in commands(document)]
    assert [start for start in NOT_RUN if not any(text.startswith(start) for text in texts)] == []


def test_every_setting_of_the_service_is_documented_with_its_default() -> None:
    documented = settings_under("Settings of the service")
    defaults = {field.upper(): value for field, value in vars(Settings.from_mapping({})).items()}
    assert documented.keys() == defaults.keys()
    assert documented.pop("ENCODER_THREADS") == "the CPUs there are"
    for variable, default in documented.items():
        assert default == ("not set" if defaults[variable] is None else f"`{defaults[variable]}`")


def test_every_setting_of_the_stack_is_documented_with_its_default() -> None:
    documented = settings_under("Settings of the stack")
    stack = StackSettings.from_mapping({})
    assert documented.keys() == {field.upper() for field in StackSettings.model_fields}
    for variable, default in documented.items():
        assert (default == "not set") is (getattr(stack, variable.lower()) is None), variable
    given = {variable: default.strip("`") for variable, default in documented.items() if default != "not set"}
    assert StackSettings.from_mapping(given) == stack


def test_every_listed_target_is_documented() -> None:
    described = re.findall(r"^([a-z-]+):.*?## (.*)$", MAKEFILE, flags=re.MULTILINE)
    table = rows((DOCS / "reference" / "commands.md").read_text())
    for target, text in described:
        assert [f"`make {target}`", text.replace("|", r"\|")] in table


def test_every_command_is_documented_with_its_exit_codes() -> None:
    table = rows(section((DOCS / "reference" / "commands.md").read_text(), "Commands and their exit codes"))
    documented = {command for row in table for command in re.findall(r"`(\w+)`", row[0])}
    commands_there = {path.stem for path in (REPOSITORY / "scripts").glob("*.py")} - {"__init__"}
    assert documented == commands_there


def test_every_source_of_incidents_is_documented() -> None:
    table = rows(section((DOCS / "reference" / "commands.md").read_text(), "Sources of incidents"))
    documented = {kind for row in table for kind in re.findall(r"`([a-z-]+)(?::\w+)?`", row[0])}
    assert documented == set(re.findall(r"^  ([a-z-]+)", TEXT_SPECS + VECTOR_SPECS, flags=re.MULTILINE))


def test_every_route_is_documented() -> None:
    documented = rows((DOCS / "reference" / "routes.md").read_text())
    paths = {row[0].strip("`"): row[1].strip("`") for row in documented if row[0].startswith("`/")}
    assert paths.keys() == {f"/{script}" for script in script_names()} | ALIASES.keys()
    assert {path: of.removeprefix("/") for path, of in paths.items() if path in ALIASES} == ALIASES


def test_a_model_is_published_where_it_is_looked_for_by_default() -> None:
    text = (DOCS / "how-to" / "another-model.md").read_text()
    (model,) = re.findall(r"^\$ aws s3 sync models/longformer s3://BUCKET/models/(\S+) ", text, flags=re.MULTILINE)
    assert model == Settings.from_mapping({}).hf_model_uri


def functions_of(path: Path) -> set[str]:
    """The functions of a module, those of its classes as Class.function."""
    tree = ast.parse(path.read_text())
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def hops() -> Iterator[tuple[str, str]]:
    """Files and functions of the tables in architecture.md."""
    for row in rows((DOCS / "architecture.md").read_text()):
        if len(row) == 3 and row[1].endswith(".py`") and re.fullmatch("`.*`", row[2]):
            yield from ((row[1].strip("`"), function) for function in re.findall(r"`([\w.]+)`", row[2]))


def test_every_hop_of_the_architecture_is_a_function_of_its_file() -> None:
    found = list(hops())
    assert len(found) >= 10
    for file, function in found:
        assert function in functions_of(REPOSITORY / file), f"{file}: {function}"


CODE = [path for folder in ("inference", "infrastructure", "scripts") for path in (REPOSITORY / folder).rglob("*.py")]


@pytest.mark.parametrize("diagram", ["request", "job"])
def test_a_diagram_says_what_its_source_says(diagram: str) -> None:
    source = (DOCS / "architecture" / f"{diagram}.dot").read_text()
    labels = [line.strip() for label in re.findall(r'label="(.*?)"', source) for line in label.split("\\n")]
    drawn = re.findall(r"<text [^>]*>(.*?)</text>", (DOCS / "architecture" / f"{diagram}.svg").read_text())
    assert sorted(html.unescape(text).strip("\xa0 ") for text in drawn) == sorted(labels)
    for function, file in re.findall(r'label="([\w., ]+)\\n([\w/]+\.py)"', source):
        (path,) = [path for path in CODE if str(path).endswith(f"/{file}")]
        assert set(function.split(", ")) <= functions_of(path), file


def test_the_costs_follow_from_prices_settings_and_speeds() -> None:
    page = (DOCS / "cost.md").read_text()
    measured = json.loads((DOCS / "bench" / "bench.json").read_text())["encode"]
    seconds = {row["tokens"]: row["ours ms"] / 1000 for row in measured}
    stack = StackSettings.from_mapping({})
    gigabytes = stack.lambda_memory_mb / 1024
    x86, arm = (float(price) for price in re.findall(r"^\| Lambda, \w+ \| ([\d.]+) per GB-second", page, re.MULTILINE))
    assert (
        f"10,000 × {seconds[1000]:.3f} s × {gigabytes:.2f} GB | {10_000 * seconds[1000] * gigabytes * x86:.2f} |"
        in page
    )
    assert f"arm64: {10_000 * seconds[1000] * gigabytes * arm:.2f} " in page
    assert f"100 cold starts of 5 s | {100 * 5 * gigabytes * x86:.2f} |" in page
    assert f"some {400_000 / (seconds[1000] * gigabytes) / 1000:.0f},000 such texts" in page
    a_day = stack.throttle_requests_per_second * 86_400 * seconds[4096] * gigabytes * x86
    assert f"{seconds[4096]:.3f} seconds on two CPUs, day and night, are {a_day:.0f} dollars" in page
    tables = re.findall(
        r"^\| what \| dollars .*?\| \*\*together\*\* \| \*\*([\d.]+)\*\*", page, re.MULTILINE | re.DOTALL
    )
    bodies = re.findall(r"^\| what \| dollars .*?(?=\| \*\*together)", page, re.MULTILINE | re.DOTALL)
    assert len(bodies) == 2
    for body, together in zip(bodies, tables, strict=True):
        parts = [float(part) for part in re.findall(r"^\| [^|]+ \| (\d+\.\d\d) \|", body, re.MULTILINE)]
        assert f"{sum(parts):.2f}" == together
