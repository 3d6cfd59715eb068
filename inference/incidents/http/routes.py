"""The routes of the HTTP API, declared once for the stack and for the local server."""

from pathlib import Path
from typing import Final

SCRIPTS_FOLDER: Final = Path(__file__).resolve().parents[2]
"""Each *.py file directly in this folder is one Lambda function and one route."""

METHODS: Final = ("GET", "POST")
"""The methods of every route."""

ALIASES: Final = {
    "/": "page",
    "/embed-to-db-similar": "similar",
    "/text-to-db-similar": "similar",
    "/text-to-embed": "embed",
}
"""Additional paths, each with the script that answers it."""

CORS_HEADERS: Final = ("Content-Type", "X-Amz-Date", "Authorization", "X-Api-Key")
"""The request headers that a browser may send from another origin."""


def script_names(folder: Path = SCRIPTS_FOLDER) -> list[str]:
    """The names of the Lambda scripts, sorted."""
    return sorted(path.stem for path in folder.glob("*.py"))


def routes(folder: Path = SCRIPTS_FOLDER) -> dict[str, str]:
    """Every path of the API, with the name of the script that answers it.

    Raises:
        ValueError: an alias names a missing script.
    """
    scripts = script_names(folder)
    if missing := set(ALIASES.values()) - set(scripts):
        raise ValueError(f"expected a script in {folder.name}/ for every alias, got none for {sorted(missing)}")
    return {f"/{script}": script for script in scripts} | ALIASES
