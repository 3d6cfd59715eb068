"""Judge a queue of articles: known, possible or new, already in, and which are about the same event.

FILE is CSV with a header, or JSON Lines. An article has a text and, optionally, an id, a title, a url and a date. An
interrupted run resumes when you repeat the command; a later run judges only articles that are new or were edited.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from incidents.errors import InvalidFileError
from scripts.cli.arguments import IndexFile, ModelFolder
from scripts.cli.command import checking_arguments, make_app, reporting, run, verbatim
from scripts.cli.paths import MODEL_FOLDER
from scripts.cli.triage_report import articles_bar, print_summary
from scripts.local.service import call, configure, hide_log, incident_vectors
from scripts.triaging import tables
from scripts.triaging.articles import read_articles
from scripts.triaging.events import group
from scripts.triaging.journal import Journal
from scripts.triaging.judging import UnavailableServiceError, describe, judge
from scripts.triaging.results import count, make_results

EXIT_STATUS = """\
Exit status:
  0    the tables are written; an article that the service refused has the reason in its row
  1    no table was written: the file is not such a queue, the model or the index is unusable, or the disk is full
  2    the arguments are wrong
  130  stopped with Ctrl-C; answers so far are kept
"""

app = make_app()


@app.command(help=__doc__, epilog=verbatim(EXIT_STATUS))
def triage(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The articles: *.csv, *.jsonl or *.ndjson.")],
    output: Annotated[
        Path | None,
        typer.Option(metavar="PREFIX", help="Where to write; default: FILE.triage without FILE's ending."),
    ] = None,
    model: ModelFolder = MODEL_FOLDER,
    index: IndexFile = None,
) -> None:
    """Judge the articles of a file."""
    if not file.is_file():
        raise typer.BadParameter(f"expected a file of articles, got {file}: make triage FILE=articles.csv")
    with checking_arguments():
        prefix = output or file.with_name(f"{file.stem}.triage")
        written = tables.paths(prefix)
        if file.resolve() in {path.resolve() for path in written}:
            raise ValueError(f"expected another --output: it would replace {file}")
        configure(model, index)
    with reporting("No table written", (InvalidFileError, UnavailableServiceError, OSError, ValueError)):
        articles = read_articles(file)
        hide_log()
        with Journal(prefix.with_name(f"{prefix.name}.journal"), describe(call)) as journal:
            if journal.n_others:
                note = f"{journal.n_others} earlier answers came from another index or model and are not used"
                typer.echo(f"Note: {note}", err=True)
            with articles_bar(len(articles)) as advance:
                judgments = judge(articles, call, journal, advance)
            events = group(judgments, incident_vectors().double().numpy())
            results = make_results(judgments, events)
            tables.write_tables(results, count(results, events), file.name, prefix)
    print_summary(count(results, events), written)


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
