"""What is measured while a request is answered: numbers and times for its log line and its metrics, never its text."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

Measurements = dict[str, int | float | str | bool]

_current: ContextVar[Measurements | None] = ContextVar("measurements", default=None)


@contextmanager
def measuring() -> Iterator[Measurements]:
    """Collect in one place what `note` and `timed` are told until the block ends, in this thread of control."""
    measurements: Measurements = {}
    token = _current.set(measurements)
    try:
        yield measurements
    finally:
        _current.reset(token)


def note(name: str, value: float | str | bool) -> None:
    """Keep a value for the log line of the request that is being answered, if there is one."""
    if (measurements := _current.get()) is not None:
        measurements[name] = value


def noted(name: str) -> float | str | bool | None:
    """What was kept under a name, if anything was."""
    return (_current.get() or {}).get(name)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Note how many milliseconds the block takes."""
    start = perf_counter()
    try:
        yield
    finally:
        note(name, round((perf_counter() - start) * 1000, 3))
