"""The refresh on as many incidents as the real database has, with the embedded model."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from scripts import refresh_database
from scripts.cli.paths import MODEL_FOLDER, SAMPLE
from support.servers.mongo_server import MongoServer, serving

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "aiid" / "incidents.csv"

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not REAL.is_file(), reason="the real incidents are not on this machine")
def test_a_first_run_a_run_without_changes_and_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports of incidents that the sample has are the sample's; of others the description stands in for them."""
    server = MongoServer()
    data = server.data
    with SAMPLE.open(encoding="utf-8") as lines:
        sample = {incident["incident_id"]: incident["reports"] for incident in map(json.loads, lines)}
    reports = 0
    with REAL.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            incident_id = int(row["incident_id"])
            texts = [report["text"] for report in sample.get(incident_id, [])] or [
                f"{row['title']}\n\n{row['description']}"
            ]
            numbers = list(range(reports + 1, reports + len(texts) + 1))
            reports += len(texts)
            data["incidents"].insert_one({"incident_id": incident_id, "title": row["title"], "reports": numbers})
            data["reports"].insert_many(
                [{"report_number": number, "text": text} for number, text in zip(numbers, texts, strict=True)]
            )
    monkeypatch.delenv("INDEX_BUCKET", raising=False)
    files = ["--output", str(tmp_path / "incident_cls.pt"), "--cache", str(tmp_path / "vectors.sqlite")]
    with serving(server):
        options = ["--database", server.uri, "--model", str(MODEL_FOLDER), *files]

        def state() -> list[Any]:
            return [list(data[name].find({}, {"_id": False})) for name in ("incidents", "reports")]

        assert refresh_database.main(options) == 0
        first = state()
        assert len(first[0]) == 1367
        assert all(len(incident["nlp_similar_incidents"]) == 3 for incident in first[0])
        assert all("embedding" in report for report in first[1])
        assert refresh_database.main(options) == 0
        assert state() == first
        data["reports"].update_one({"report_number": 1}, {"$set": {"text": "A robot crushed a worker."}})
        assert refresh_database.main(options) == 0
        changed = [new["report_number"] for new, old in zip(state()[1], first[1], strict=True) if new != old]
        assert changed == [1]
