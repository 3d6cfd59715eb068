"""Contestants take turns within one run, so that a machine that is slow for a while is slow for all of them."""

import statistics
import time
from collections.abc import Callable
from typing import Any

SHORTEST_TURN = 0.01
"""Seconds."""

Row = dict[str, Any]
"""Measurements at one size, by name."""


def take_turns(repetitions: int, **contestants: Callable[[], object]) -> dict[str, list[float]]:
    """Seconds of every contestant's run in every repetition, after one repetition that does not count.

    A turn lasts at least SHORTEST_TURN: a shorter one, right after another contestant's, mostly measures how long
    threads and caches take to recover.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for repetition in range(repetitions + 1):
        for name, run in contestants.items():
            start, runs, elapsed = time.perf_counter(), 0, 0.0
            while elapsed < SHORTEST_TURN:
                run()
                runs += 1
                elapsed = time.perf_counter() - start
            if repetition:
                seconds[name].append(elapsed / runs)
    return seconds


def summarize(seconds: dict[str, list[float]]) -> Row:
    """Medians and spreads in milliseconds."""
    row: Row = {}
    for name, values in seconds.items():
        row[f"{name} ms"] = statistics.median(values) * 1e3
        row[f"{name} spread ms"] = [min(values) * 1e3, max(values) * 1e3]
    return row
