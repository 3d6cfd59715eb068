"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from incidents.names import INDEX_FILENAME

ModelFolder = Annotated[Path, typer.Option("--model", metavar="FOLDER", help="The model folder.")]
IndexFile = Annotated[
    Path | None,
    typer.Option("--index", metavar="FILE", help=f"The index; default: {INDEX_FILENAME} in the model folder."),
]
IndexOutput = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help=f"The index to write; default: {INDEX_FILENAME} beside the model."),
]
Cache = Annotated[Path, typer.Option("--cache", metavar="FILE", help="The vector cache.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Texts to embed at a time; default: one for each CPU.")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to compute.")]
Batch = Annotated[
    int | None,
    typer.Option(
        min=1, help="Texts per batch; default: 1 on cpu, 64 on cuda. More than 1 changes vectors by up to 1e-5."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]
Diff = Annotated[
    Path | None,
    typer.Option("--diff", metavar="OLD", help="List incidents added, removed and changed since this index."),
]
Bucket = Annotated[
    str, typer.Option("--bucket", envvar="INDEX_BUCKET", metavar="NAME", help="The S3 bucket to publish in.")
]


MaxLossPercent = Annotated[
    float,
    typer.Option(
        min=0,
        max=100,
        help="Refuse an index with more than this many percent fewer incidents than the published one.",
    ),
]
