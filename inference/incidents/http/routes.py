"""The routes of the HTTP API, declared once for the stack and for the local server."""

import re
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


DEFAULT_ORIGINS: Final = "http://localhost:3000,https://incidentdatabase.ai"
"""The origins whose pages may call the API unless CORS_ALLOW_ORIGINS lists others."""


def parse_origins(value: str) -> tuple[str, ...]:
    """Split the value of CORS_ALLOW_ORIGINS at commas.

    Raises:
        ValueError: an entry is not an origin in lower case, as browsers send it. `*` is refused: browsers ignore it for
            calls with credentials.
    """
    origins = tuple(origin.strip() for origin in value.split(","))
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?", origin, re.ASCII):
            raise ValueError(f"expected CORS_ALLOW_ORIGINS to hold origins such as https://example.org, got {origin!r}")
    return origins


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
