"""The generated parts of the documents, as functions for cog; `make docs` writes them."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_type_hints

from incidents.settings import Settings
from infrastructure.settings import Settings as StackSettings

REPOSITORY: Final = Path(__file__).resolve().parents[1]
BENCH: Final = REPOSITORY / "docs" / "bench" / "bench.json"
QUALITY: Final = REPOSITORY / "docs" / "quality"
MEASURED: Final = {
    "reports of the sample": ("sample", "reports"),
    "real headlines": ("aiid", "headlines"),
    "real articles": ("aiid", "texts"),
}
"""Pages of docs/quality and their questions, by what they are called."""
COMPUTED_DEFAULTS: Final = {"encoder_threads": "the CPUs there are"}
"""Defaults that depend on the machine, by field."""


def service_settings() -> str:
    """What a Lambda function reads: variable, default and help of each field of its settings."""
    defaults = Settings.from_mapping({})
    rows = []
    for name, kind in get_type_hints(Settings, include_extras=True).items():
        default = COMPUTED_DEFAULTS.get(name) or _code(getattr(defaults, name))
        rows.append((f"`{name.upper()}`", default, kind.__metadata__[0]))
    return _table(("variable", "default", "meaning"), rows)


def stack_settings() -> str:
    """What a deployment reads: variable, default and help of each field of the stack's settings."""
    defaults = StackSettings.from_mapping({})
    rows = [
        (f"`{name.upper()}`", _code(getattr(defaults, name)), field.description or "")
        for name, field in StackSettings.model_fields.items()
    ]
    return _table(("variable", "default", "meaning"), rows)


def make_targets() -> str:
    """The targets that `make` lists."""
    makefile = (REPOSITORY / "Makefile").read_text()
    described = re.findall(r"^([a-z-]+):.*?## (.*)$", makefile, flags=re.MULTILINE)
    return _table(("target", "what it does"), [(f"`make {target}`", text) for target, text in described])


def example(name: str) -> str:
    """One whole answer of the service, as docs/openapi.json has it."""
    document = json.loads((REPOSITORY / "docs" / "openapi.json").read_text())
    answer = document["components"]["examples"][name]["value"]
    return f"\n```json\n{json.dumps(answer, indent=2, ensure_ascii=False)}\n```\n\n"


def speeds(*token_counts: int) -> str:
    """Milliseconds to embed one text, beside transformers; of all measured lengths if none is given."""
    rows = [
        (f"{row['tokens']:,}", f"{row['ours ms']:.0f}", f"{row['transformers ms']:.0f}", _ratio(row))
        for row in _bench()["encode"]
        if not token_counts or row["tokens"] in token_counts
    ]
    return _table(("tokens", "this project, ms", "transformers, ms", "ratio"), rows, numbers=True)


def yardsticks() -> str:
    """How near each length comes to reading the weights once, and to the rate of one large product."""
    rows = [
        (f"{row['tokens']:,}", f"{row['reading weights / ours']:.0%}", f"{row['products by oneDNN / ours']:.0%}")
        for row in _bench()["encode"]
    ]
    return _table(("tokens", "reading the weights", "products at full rate"), rows, numbers=True)


def cold_starts() -> str:
    """Seconds and memory from a process's start to its first answer."""
    rows = [
        (
            f"{row['tokens']:,}",
            *(f"{row[f'{name} ms'] / 1e3:.1f}" for name in ("ours", "transformers", "torch")),
            _ratio(row),
            *(f"{row[f'{name} private MiB']:.0f}" for name in ("ours", "transformers")),
            *(f"{row[f'{name} resident MiB']:.0f}" for name in ("ours", "transformers")),
        )
        for row in _bench()["cold start"]
    ]
    header = ("tokens", "this project, s", "transformers, s", "`import torch` alone, s", "ratio",
              "private MiB, this project", "transformers", "resident MiB, this project", "transformers")  # fmt: skip
    return _table(header, rows, numbers=True)


def machine() -> str:
    """What was measured, and on what."""
    facts = _bench()["machine"]
    return (
        "\nMedians of the Longformer architecture with random weights, measured on an "
        f"{facts['cpu']} with {facts['threads']} threads and torch {facts['torch']}.\n\n"
    )


def exactness_and_ranking() -> str:
    """The largest difference to transformers, and the speed of ranking and loading."""
    bench = _bench()
    ranked = {row["incidents"]: row for row in bench["rank"]}
    return (
        f"- Vectors differ from those of transformers by at most "
        f"{max(row['max difference'] for row in bench['encode']):.0e}.\n"
        f"- Ranking 10,000 incidents is {ranked[10_000]['loop / ours']:.0f} times as fast as a Python loop over their "
        "cosines.\n"
        f"- Ranking a million incidents takes {ranked[1_000_000]['ours / one pass']:.2f} times one pass over their "
        "vectors.\n"
        f"- An index loads {bench['load'][0]['csv / ours']:.0f} times as fast as the same vectors from CSV.\n"
    )


def quality() -> str:
    """How well the questions of MEASURED are answered."""
    rows = []
    for name, (page, questions) in MEASURED.items():
        whole = _questions(page, questions)["parts"]["all"]
        by_cosine, hybrid = (whole["ranking"][ranker] for ranker in ("cosine", "hybrid"))
        numbers = (by_cosine["R@1"], hybrid["R@1"], hybrid["R@10"], whole["verdict"]["AUROC"], whole["verdict"]["ECE"])
        rows.append((name, f"{whole['questions']:,}", *(f"{value:.3f}" for value, _, _ in numbers)))
    header = ("texts", "number", "first by cosine", "first by hybrid", "in ten by hybrid", "AUROC", "ECE")
    return _table(header, rows)


def targets(page: str, *wanted: tuple[str, str, float]) -> str:
    """What was wanted of hybrid answers beside what was measured; rows are questions, measure and target."""
    rows = []
    for questions, measure, target in wanted:
        parts = [_questions(page, questions)["parts"][part] for part in ("all", "other half")]
        measured = [(part["ranking"]["hybrid"] | part["verdict"])[measure] for part in parts]
        at_most = measure == "ECE"
        reached = measured[0][0] <= target if at_most else measured[0][0] >= target
        found = [f"{value:.3f} ({low:.3f} to {high:.3f})" for value, low, high in measured]
        rows.append((questions, measure, f"{'≤' if at_most else '≥'} {target}", *found, "yes" if reached else "no"))
    return _table(("questions", "measure", "wanted", "measured", "on the other half", "reached"), rows)


def _questions(page: str, questions: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((QUALITY / f"{page}.json").read_text())["questions"][questions]
    return found


def _bench() -> dict[str, Any]:
    measured: dict[str, Any] = json.loads(BENCH.read_text())
    return measured


def _ratio(row: Mapping[str, float]) -> str:
    return f"{row['transformers / ours']:.1f}"


def _code(value: Any) -> str:
    """A default as it would be written in the environment."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value}`"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, numbers: bool = False) -> str:
    """A Markdown table with empty lines around it; a `|` in a cell is escaped."""
    lines = [header, tuple("---:" if numbers else "---" for _ in header), *rows]
    cells = [[" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in lines]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in cells) + "\n"
