"""Run the HTTP API on this machine: the service's Lambda handlers behind an emulation of API Gateway."""

import os
import signal
import sys
from contextlib import suppress
from typing import Annotated

import typer

from scripts.cli.arguments import IndexFile, ModelFolder
from scripts.cli.command import checking_arguments, make_app, run
from scripts.cli.paths import MODEL_FOLDER, OPENAPI
from scripts.local.service import configure

EPILOG = "Exit status: 0 when stopped, 2 for invalid arguments, 3 when it cannot start."

app = make_app()


@app.command(epilog=EPILOG)
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default accepts this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 3000,
    model: ModelFolder = MODEL_FOLDER,
    index: IndexFile = None,
) -> None:
    """Run the HTTP API and its page on this machine.

    It loads the index at the first request that needs it and does not look for a published one. CORS_ALLOW_ORIGINS
    in the environment lists the origins whose pages may call it.
    """
    import uvicorn  # noqa: PLC0415 (the server and torch are slow to import)

    from scripts.local.application import application, hide_queries  # noqa: PLC0415
    from scripts.local.cors import read_origins  # noqa: PLC0415

    with checking_arguments():
        configure(model, index)
        origins = read_origins(os.environ)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn stops first, then raises the signal again
    hide_queries()
    with suppress(KeyboardInterrupt):
        uvicorn.run(application(origins, OPENAPI), host=host, port=port, server_header=False)


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status is 0 when it is stopped, 2 for invalid arguments, 3 if it cannot start."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
