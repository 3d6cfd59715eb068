"""Create the empty virtual environment of a checkout.

It runs before anything is installed and under any Python 3, so it uses the standard library alone.
"""

from __future__ import annotations

import sys
import venv
from pathlib import Path

OLDEST_PYTHON = (3, 11)


def main(argv: list[str] | None = None) -> int:
    """Create the environment; the exit status is 0, or 1 where it would be useless or destroy another."""
    (name,) = sys.argv[1:] if argv is None else argv
    if sys.version_info < OLDEST_PYTHON:
        print(f"expected Python 3.11 or newer, got {sys.version}", file=sys.stderr)
        return 1
    if Path(name).is_symlink():
        print(f"{name} is a symbolic link: its target would be emptied, so remove the link first", file=sys.stderr)
        return 1
    venv.create(name, clear=True, with_pip=True, symlinks=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
