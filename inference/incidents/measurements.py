"""Measurements of the request being answered, for its log line and metrics; they never include its text."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

Measurements = dict[str, int | float | str | bool]

_current: ContextVar[Measurements | None] = ContextVar("measurements", default=None)


@contextmanager
def measuring() -> Iterator[Measurements]:
    """Collect what `note` and `timed` record in this context until the block ends."""
    measurements: Measurements = {}
    token = _current.set(measurements)
    try:
        yield measurements
    finally:
        _current.reset(token)


def note(name: str, value: float | str | bool) -> None:
    """Record a value for the current request's log line; outside a request, do nothing."""
    if (measurements := _current.get()) is not None:
        measurements[name] = value


def noted(name: str) -> float | str | bool | None:
    """The value recorded under a name, or None."""
    return (_current.get() or {}).get(name)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Record how long the block takes, in milliseconds."""
    start = perf_counter()
    try:
        yield
    finally:
        note(name, round((perf_counter() - start) * 1000, 3))
