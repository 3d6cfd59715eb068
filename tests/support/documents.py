"""The documents as tests read them: their links, their anchors, and the commands in their console blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "sample").glob("*.md")]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)

NOT_RUN = {
    "git clone URL-OF-THIS-REPOSITORY": "the reader's own URL",
    "cd similar-incidents": "the clone, for which the tests have a copy",
    "make test": "takes minutes, and runs this test",
    "make check": "takes a minute, and runs on every change",
    "make evaluate": "takes half a minute; tests/integration/test_evaluate.py runs the command",
    "make smoke URL=https://": "asks a deployed service",
    "make bootstrap": "needs an AWS account",
    "make deploy": "needs an AWS account",
    "make destroy": "needs an AWS account",
    "make publish": "needs an AWS account",
    "make rollback-index": "needs an AWS account",
    "aws ": "needs an AWS account",
    "curl --silent https://": "asks a deployed service",
    "make synth": "installs the CDK's command line; tests/deploy runs it",
    "make model NAME=": "downloads a model, or converts the reader's own",
    "make index NAME=": "needs a model that is downloaded",
    "make similar NAME=": "needs a model that is downloaded",
    "make index SOURCE=snapshot:": "downloads a snapshot",
    "make index SOURCE=mongodb:": "needs a database",
    "make refresh": "needs a database",
    "export MONGODB_CONNECTION_STRING=": "a secret of the reader's",
    "make openapi": "in the how-to, fails until the reader has described the new route",
    ".venv/bin/pre-commit install": "changes the Git hooks of a clone",
}
"""Commands that no test runs, by how they begin, each with the reason."""


@dataclass(frozen=True)
class Command:
    """A command of a console block, with the output that the document shows."""

    text: str
    output: str

    @property
    def reason_not_to_run(self) -> str | None:
        """Why no test runs it; None if one does."""
        return next((reason for start, reason in NOT_RUN.items() if self.text.startswith(start)), None)


def name(document: Path) -> str:
    """A document's path in the repository."""
    return str(document.relative_to(REPOSITORY))


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [content for found, content in FENCE.findall(text) if found == language]


def commands(document: Path) -> Iterator[Command]:
    """The commands of a document's console blocks, in their order."""
    for block in blocks(document.read_text(), "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            text, _, output = part.partition("\n")
            yield Command(text, output)


def prose(document: Path) -> str:
    """A document without fenced blocks and without code in a line."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", document.read_text()))


def links(document: Path) -> list[str]:
    """The targets of a document's links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(document))


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
