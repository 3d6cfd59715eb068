"""The Markdown page of an evaluation; what stands above MARKER is written by hand and kept."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from scripts.evaluation.answers import RANKERS
from scripts.evaluation.bootstrap import DECIMALS, Interval
from scripts.evaluation.metrics import FALSE_KNOWN
from scripts.evaluation.slices import ALL, SINGLE

MARKER: Final = "<!-- `make evaluate` writes what follows, and keeps what is above. -->"
HEAD: Final = "# Quality: {}\n\n[What is measured, and how](README.md).\n"
MISSING: Final = "-"
RANKING: Final = ("R@1", "R@3", "R@10", "MRR")
PLOTS: Final = {
    "recall": "Recall by the number of incidents shown, for each ranker",
    "roc": "ROC: the share of known incidents told against the share of new ones that pass as known",
    "reliability": "Reliability: how many were known against the probability that was told",
}
VERDICT: Final = ("AUROC", "AUROC named", "ECE", "false-new", "false-known")


def write_page(path: Path, results: dict[str, Any]) -> None:
    """Write the page, with links to the plots and numbers beside it.

    Raises:
        OSError: it cannot be written.
    """
    head = path.read_text(encoding="utf-8").partition(MARKER)[0] if path.exists() else HEAD.format(path.stem) + "\n"
    path.write_text(f"{head}{MARKER}\n\n{make_page(path.stem, results)}", encoding="utf-8")


def make_page(name: str, results: dict[str, Any]) -> str:
    """The generated part of the page."""
    encoder = f"{results['encoder']['name']} ({results['encoder']['fingerprint'][:12]})"
    facts = (
        f"An index of {results['incidents']:,} incidents with {results['reports']:,} reports from "
        f"`{results['source']}`, made with {encoder}.\nIntervals are of {results['resamples']:,} resamples of "
        f"incidents with the seed {results['seed']}. All numbers are in [{name}.json]({name}.json).\n"
    )
    sections = [f"## {title(asked)}\n\n{_questions(found)}" for asked, found in results["questions"].items()]
    appearances = f"## How often incidents appear\n\n{_appearances(results['appearances'])}"
    return "\n".join([facts, *_plots(name, results), *sections, appearances])


def title(asked: str) -> str:
    """The heading of a set of questions."""
    return asked.replace("-", " ").replace("_", " ").capitalize()


def _plots(name: str, results: dict[str, Any]) -> list[str]:
    return [f"![{text}]({name}-{plot}.svg)\n" for plot, text in PLOTS.items() if plotted(plot, results)]


def plotted(plot: str, results: dict[str, Any]) -> dict[str, Any]:
    """The sets of questions that a plot shows: those that have the curve."""
    return {asked: found for asked, found in results["questions"].items() if plot in found["curves"]}


def _questions(found: dict[str, Any]) -> str:
    parts: dict[str, Any] = found["parts"]
    whole = parts[ALL]
    left_out = f" {found['left out']} are left out: no incident of the index, or no text." if found["left out"] else ""
    asked = (
        f"{whole['questions']:,} texts about {whole['incidents']:,} incidents, {whole['known']:,} asked as known and "
        f"{whole['new']:,} as new.{left_out}\n"
    )
    by_part = [
        (part, f"{numbers['known']:,}", name, *_row(numbers["ranking"][name], RANKING))
        for part, numbers in parts.items()
        if part != ALL and numbers["known"]
        for name in RANKERS
    ]
    lines = [
        asked,
        "Finding the known incident:\n",
        table(("ranker", *RANKING), [(name, *_row(whole["ranking"][name], RANKING)) for name in RANKERS]),
        "The same in parts:\n",
        table(("part", "known", "ranker", *RANKING), by_part),
    ]
    if not whole["verdict"]:
        return "\n".join([*lines, "The index has too few reports to tell known incidents from new ones.\n"])
    if SINGLE in parts and not parts[SINGLE]["known"]:
        lines.append(
            f"Texts about incidents with one report ({parts[SINGLE]['new']:,} here) are asked as new only: without it, "
            "nothing is left of\nthe incident.\n"
        )
    verdicts = [
        (part, f"{numbers['known']:,}", f"{numbers['new']:,}", *_row(numbers["verdict"], VERDICT))
        for part, numbers in parts.items()
        if numbers["verdict"]
    ]
    lines += [
        f"Known or new; false rates at the threshold where {FALSE_KNOWN:.0%} of all new texts pass as known:\n",
        table(("part", "known", "new", *VERDICT), verdicts),
    ]
    return "\n".join(lines)


def _appearances(found: dict[str, dict[str, Interval]]) -> str:
    names = ("never shown", "correlation")
    return table(("ranker", *names), [(ranker, *_row(numbers, names)) for ranker, numbers in found.items()])


def _row(numbers: dict[str, Interval], names: Iterable[str]) -> list[str]:
    return [interval(numbers[name]) for name in names]


def interval(numbers: Interval) -> str:
    """A value with its interval."""
    value, low, high = (MISSING if number is None else f"{number:.{DECIMALS}f}" for number in numbers)
    return value if value == MISSING else f"{value} ({low} to {high})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
