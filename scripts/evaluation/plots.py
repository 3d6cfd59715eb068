"""The plots of an evaluation, from its numbers alone; the same numbers give the same file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

from scripts.evaluation.answers import RANKERS
from scripts.evaluation.evaluation import CURVE_DEPTHS, CURVE_SHARES
from scripts.evaluation.page import plotted, title
from scripts.evaluation.slices import ALL

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COLORS: Final = dict(zip(RANKERS, ("#999999", "#e69f00", "#56b4e9", "#0072b2"), strict=True))
"""Told apart by people who see fewer colors (Okabe and Ito 2008)."""
LINE: Final = COLORS["hybrid"]
DIAGONAL: Final = "#999999"
PANEL: Final = (3.4, 3.2)
"""Inches of a set of questions."""


def write_plots(folder: Path, name: str, results: dict[str, Any]) -> None:
    """Write NAME-recall.svg, NAME-roc.svg and NAME-reliability.svg, as far as there are curves.

    Raises:
        OSError: a file cannot be written.
    """
    for plot, draw in {"recall": _recall, "roc": _roc, "reliability": _reliability}.items():
        if drawn := plotted(plot, results):
            _write(folder / f"{name}-{plot}.svg", draw, drawn)


def _write(path: Path, draw: Callable[[Axes, dict[str, Any]], None], drawn: dict[str, Any]) -> None:
    style: dict[Any, Any] = {"svg.hashsalt": "similar-incidents", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(rc=style):
        size = (PANEL[0] * len(drawn), PANEL[1])
        figure, panels = plt.subplots(1, len(drawn), figsize=size, layout="constrained", squeeze=False, sharey=True)
        for axes, (asked, found) in zip(panels[0], drawn.items(), strict=True):
            draw(axes, found)
            axes.set_title(f"{title(asked)} ({found['parts'][ALL]['questions']:,})")
            axes.grid(visible=True, alpha=0.3)
            axes.label_outer()
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def _recall(axes: Axes, found: dict[str, Any]) -> None:
    for ranker, recall in found["curves"]["recall"].items():
        axes.plot(CURVE_DEPTHS, recall, marker=".", color=COLORS[ranker], label=ranker)
    axes.set(xlabel="incidents shown", ylabel="recall", xscale="log")
    axes.set_xticks([1, 3, 10, 20], ["1", "3", "10", "20"])
    axes.minorticks_off()
    axes.legend(loc="lower right")


def _roc(axes: Axes, found: dict[str, Any]) -> None:
    area = found["parts"][ALL]["verdict"]["AUROC"][0]
    axes.plot([0, 1], [0, 1], color=DIAGONAL, linestyle=":")
    axes.plot(CURVE_SHARES, found["curves"]["roc"], color=LINE, label=f"AUROC {area:.3f}")
    axes.set(xlabel="new, passed as known", ylabel="known, told as known")
    axes.legend(loc="lower right")


def _reliability(axes: Axes, found: dict[str, Any]) -> None:
    error = found["parts"][ALL]["verdict"]["ECE"][0]
    points = found["curves"]["reliability"]
    axes.plot([0, 1], [0, 1], color=DIAGONAL, linestyle=":")
    told, known = [point[0] for point in points], [point[1] for point in points]
    axes.plot(told, known, color=LINE, marker="o", label=f"ECE {error:.3f}")
    axes.set(xlabel="probability told", ylabel="share that was known", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")
