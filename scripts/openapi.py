"""Write docs/openapi.json: the HTTP API for people and programs, with real answers as its examples."""

import sys

import typer

from scripts.cli.arguments import IndexFile, ModelFolder
from scripts.cli.command import checking_arguments, make_app, reporting, run
from scripts.cli.paths import MODEL_FOLDER, OPENAPI
from scripts.local.service import configure, hide_log

app = make_app()


@app.command(epilog="Exit status: 0 when the file is written, 1 when not, 2 for invalid arguments.")
def openapi(model: ModelFolder = MODEL_FOLDER, index: IndexFile = None) -> None:
    """Write docs/openapi.json, with answers of this model and index as its examples."""
    with checking_arguments():
        configure(model, index)
    hide_log()
    from scripts.local.openapi_document import format_document, make_document  # noqa: PLC0415 (asks the service)

    with reporting("Not written", (ValueError,)):
        document = make_document()
    OPENAPI.write_text(format_document(document), encoding="utf-8")
    typer.echo(f"{OPENAPI}: {len(document['paths'])} paths", err=True)


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status is 0 when the file is written, 2 for invalid arguments."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
