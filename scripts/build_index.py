"""Build incident_cls.pt: embed the reports of known incidents and average them, incident by incident."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from defaults import INDEX_FILENAME, MODEL_FOLDER, SAMPLE
from incidents.encoder import Encoder
from incidents.errors import InvalidModelError
from incidents.index import EncoderInfo, IncidentIndex
from incidents.model_folder import verify_files
from incidents.text import prepare
from sources.jsonl import Incident, read_incidents

if TYPE_CHECKING:
    from torch import Tensor

TEXTS_PER_STEP = 16
"""Texts between two steps of the progress bar; the encoder makes batches of them as it sees fit."""


def main() -> int:
    """Run the command line; the exit status is 0 when the index is written, 1 when it could not be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=SAMPLE, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"default: {INDEX_FILENAME} in the model's folder")
    arguments = parser.parse_args()
    output = arguments.output or arguments.model / INDEX_FILENAME
    console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    try:
        verify_files(arguments.model)
        encoder = Encoder.load(arguments.model)
        incidents = list(read_incidents(arguments.source))
        index = build_index(incidents, encoder, arguments.source.name, console)
        index.save(output)
    except (InvalidModelError, OSError, ValueError) as error:
        console.print(f"No index written: {error}")
        return 1
    console.print(f"{output}: {len(index)} incidents, {int(index.report_counts.sum())} reports, {encoder.name}")
    return 0


def build_index(incidents: list[Incident], encoder: Encoder, source: str, console: Console) -> IncidentIndex:
    """Embed every report that has a text; incidents without one are left out, and listed.

    Raises:
        ValueError: no incident has a report with a text, or an incident is there twice.
    """
    ids = [incident.incident_id for incident in incidents]
    if twice := {incident_id for incident_id in ids if ids.count(incident_id) > 1}:
        raise ValueError(f"expected every incident once, got these more often: {sorted(twice)}")
    owners = [(incident.incident_id, text) for incident in incidents for text in incident.texts if prepare(text)]
    owners.sort(key=lambda owner: len(owner[1]))  # batches of like lengths are fastest
    vectors: dict[int, list[Tensor]] = {incident_id: [] for incident_id in ids}
    with Progress(console=console) as progress:
        task = progress.add_task("embedding reports", total=len(owners))
        for start in range(0, len(owners), TEXTS_PER_STEP):
            step = owners[start : start + TEXTS_PER_STEP]
            embeddings = encoder.encode_batch([text for _, text in step])
            for (incident_id, _), embedding in zip(step, embeddings, strict=True):
                vectors[incident_id].append(embedding.vector)
            progress.advance(task, len(step))
    for incident_id in [incident_id for incident_id, reports in vectors.items() if not reports]:
        console.print(f"incident {incident_id} left out: none of its reports has a text")
        del vectors[incident_id]
    return IncidentIndex.from_reports(
        vectors,
        {incident.incident_id: incident.title for incident in incidents},
        EncoderInfo(encoder.name, encoder.revision, encoder.fingerprint, encoder.width, encoder.token_limit),
        source,
    )


if __name__ == "__main__":
    sys.exit(main())
