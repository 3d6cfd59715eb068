"""What the benchmark counts; its timings are for a person to read."""

import subprocess
import sys
import time
from functools import partial
from itertools import groupby

import pytest

from scripts.benchmarks import turns as bench_turns
from scripts.benchmarks.encode import operations


def test_the_operations_of_one_token_are_those_of_its_matrices() -> None:
    per_layer = 4 * 768 * 768 + 2 * 768 * 3072 + 2 * 768  # projections, feed-forward, its one score and one value
    assert operations(1) == 12 * 2 * per_layer


def test_tokens_outside_the_cone_cost_nothing() -> None:
    assert operations(3073) == operations(4096)
    assert operations(3072) < operations(3073)


def test_contestants_take_turns_and_their_first_turn_does_not_count() -> None:
    turns: list[str] = []
    seconds = bench_turns.take_turns(2, a=lambda: turns.append("a"), b=lambda: turns.append("b"))
    assert [name for name, _ in groupby(turns)] == ["a", "b"] * 3
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}


def test_what_is_short_is_run_several_times_in_a_turn_and_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def run(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    seconds = bench_turns.take_turns(1, short=partial(run, bench_turns.SHORTEST_TURN / 4), long=partial(run, 1.0))
    assert seconds == {"short": [pytest.approx(bench_turns.SHORTEST_TURN / 4)], "long": [pytest.approx(1.0)]}
    assert now >= 2 * (bench_turns.SHORTEST_TURN + 1.0)


def test_a_summary_has_the_median_and_the_extremes_in_milliseconds() -> None:
    assert bench_turns.summarize({"a": [0.003, 0.001, 0.002]}) == {"a ms": 2.0, "a spread ms": [1.0, 3.0]}


@pytest.mark.slow
def test_the_short_benchmark_runs_to_its_end() -> None:
    command = [sys.executable, "-m", "scripts.bench", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for what in ("products by oneDNN / ours", "ours / transformers private", "loop / ours", "csv / ours"):
        assert what in done.stdout
