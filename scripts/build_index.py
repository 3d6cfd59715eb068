"""Build incident_cls.pt: embed the reports of known incidents and average them, incident by incident."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from incidents.encoder import Encoder
from incidents.errors import InvalidModelError
from incidents.index import EncoderInfo, IncidentIndex
from incidents.text import prepare
from sources.jsonl import Incident, read_incidents

REPOSITORY = Path(__file__).resolve().parents[1]
TEXTS_PER_STEP = 16
"""Texts between two steps of the progress bar; the encoder makes batches of them as it sees fit."""


def main() -> int:
    """Run the command line; the exit status is 0 when the index is written, 1 when it could not be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    default_model = REPOSITORY / "models" / "minilm"
    parser.add_argument("--source", type=Path, default=REPOSITORY / "sample" / "incidents.jsonl", metavar="FILE")
    parser.add_argument("--model", type=Path, default=default_model, metavar="FOLDER")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: incident_cls.pt in the model's folder")
    arguments = parser.parse_args()
    output = arguments.output or arguments.model / "incident_cls.pt"
    console = Console(stderr=True)
    try:
        encoder = Encoder.load(arguments.model)
        incidents = list(read_incidents(arguments.source))
        index = build_index(incidents, encoder, source=arguments.source.name, console=console)
        index.save(output)
    except (InvalidModelError, OSError, ValueError) as error:
        console.print(f"[red]no index written:[/] {error}", soft_wrap=True)
        return 1
    for incident in incidents:
        if incident.incident_id not in index.ids:
            console.print(f"incident {incident.incident_id} left out: none of its reports has a text")
    console.print(f"{output}: {len(index)} incidents, {int(index.report_counts.sum())} reports, {encoder.name}")
    return 0


def build_index(incidents: list[Incident], encoder: Encoder, source: str, console: Console) -> IncidentIndex:
    """Embed every report that has a text, and give each incident the plain mean of its reports' vectors.

    Raises:
        ValueError: no incident has a report with a text, or an incident is there twice.
    """
    with_texts = [(incident, [text for text in incident.texts if prepare(text)]) for incident in incidents]
    known = [(incident, texts) for incident, texts in with_texts if texts]
    if not known:
        raise ValueError("expected at least one incident that has a report with a text, got none")
    vectors = _embed([text for _, texts in known for text in texts], encoder, console)
    counts = [len(texts) for _, texts in known]
    return IncidentIndex(
        ids=torch.tensor([incident.incident_id for incident, _ in known]),
        vectors=torch.stack([reports.mean(dim=0) for reports in torch.split(vectors, counts)]),
        report_counts=torch.tensor(counts),
        titles=[incident.title for incident, _ in known],
        encoder=EncoderInfo(encoder.name, encoder.revision, encoder.fingerprint, encoder.width, encoder.token_limit),
        source=source,
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _embed(texts: list[str], encoder: Encoder, console: Console) -> Tensor:
    """Embed texts by length, as batches of like lengths are fastest. Shape: (n_texts, width), in the order given."""
    vectors = torch.empty(len(texts), encoder.width)
    by_length = sorted(range(len(texts)), key=lambda position: len(texts[position]))
    with Progress(console=console) as progress:
        task = progress.add_task("embedding reports", total=len(texts))
        for start in range(0, len(texts), TEXTS_PER_STEP):
            positions = by_length[start : start + TEXTS_PER_STEP]
            embeddings = encoder.encode_batch([texts[position] for position in positions])
            vectors[positions] = torch.stack([embedding.vector for embedding in embeddings])
            progress.advance(task, len(positions))
    return vectors


if __name__ == "__main__":
    sys.exit(main())
