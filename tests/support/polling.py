"""Wait for what another thread or process does."""

from collections.abc import Callable
from time import monotonic, sleep

PATIENCE_SECONDS = 60
"""For a busy machine; a test that passes never waits that long."""


def wait_until(holds: Callable[[], bool]) -> None:
    """Return once the condition holds.

    Raises:
        AssertionError: it did not hold for PATIENCE_SECONDS.
    """
    end = monotonic() + PATIENCE_SECONDS
    while not holds():
        assert monotonic() < end, f"the condition did not hold within {PATIENCE_SECONDS} s"
        sleep(0.01)
