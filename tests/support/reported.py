"""An index with reports and a calibration, built of made-up texts in the words of the tiny tokenizer."""

import io
import json
import random
from pathlib import Path

from rich.console import Console

from incidents.index.incident_index import IncidentIndex
from scripts.cli.progress import BuildProgress
from scripts.indexing.build import build
from scripts.indexing.embedding import EncoderPool
from scripts.indexing.vector_cache import VectorCache
from scripts.sources.jsonl import stage_json_lines
from scripts.sources.staging import StagedIncidents

N_INCIDENTS = 30
N_REPORTS = 4
"""Of each incident."""


def report_text(incident: int, number: int) -> str:
    """A report: three names that only its incident has, which the tokenizer does not know, and five words."""
    own = random.Random(incident).sample(range(4, 60), 4)
    chosen = random.Random(f"{incident} {number}")
    names = chosen.sample([f"{name}{incident}" for name in ("ada", "ben", "cyd", "dan", "eve")], 3)
    words = [f"w{word}" for word in chosen.sample(own, 3) + chosen.sample(range(4, 60), 2)]
    return " ".join(names + words)


def write_incidents(path: Path) -> None:
    """A file of JSON Lines: incidents 10, 20, …, each report with a number, title, url and date; 20 has a url too."""
    with path.open("w") as lines:
        for incident in range(1, N_INCIDENTS + 1):
            reports = [
                {
                    "number": 100 * incident + number,
                    "text": report_text(incident, number),
                    "title": f"Report {number} on {incident}",
                    "url": f"https://news.example/{incident}/{number}",
                    "date": f"2025-01-{number:02}",
                }
                for number in range(1, N_REPORTS + 1)
            ]
            found = {"incident_id": 10 * incident, "title": f"Incident {incident}", "date": "2025-01-01"}
            own = {"url": "https://incidents.example/20"} if incident == 2 else {}
            lines.write(json.dumps(found | own | {"reports": reports}) + "\n")


def build_reported_index(folder: Path, model: Path) -> IncidentIndex:
    """The index of these incidents."""
    write_incidents(folder / "incidents.jsonl")
    pool = EncoderPool(model, workers=1)
    with (
        StagedIncidents("a test") as staged,
        VectorCache(None, made_by=pool.made_by, width=pool.encoder.width) as cache,
    ):
        stage_json_lines(folder / "incidents.jsonl", staged)
        return build(staged, pool, cache, "2026-01-02T03:04:05+00:00", BuildProgress(Console(file=io.StringIO()))).index
