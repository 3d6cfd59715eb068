"""The refresh of the database: what is written, and what is left as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from incidents.index.file import load_index
from incidents.model.encoder import Encoder
from incidents.model.text import text_hash
from scripts.database.lock import COLLECTION
from support.database import Database
from support.publishing import BUCKET

Run = Callable[..., tuple[int, str]]


def test_a_first_run_writes_all_there_is_to_know(database: Database, refresh: Run, tiny_encoder: Encoder) -> None:
    before = database.everything()
    assert refresh()[0] == 0
    vector = {number: tiny_encoder.encode(f"w{number} w5").vector for number in (10, 11, 20, 30, 40)}
    assert database.report(10)["embedding"] == {
        "vector": vector[10].tolist(),
        "from_text_hash": text_hash("w10 w5"),
        "encoder_fingerprint": tiny_encoder.fingerprint,
    }
    mean = (vector[10].double() + vector[11].double()) / 2
    assert database.incident(1)["embedding"]["vector"] == pytest.approx(mean.tolist(), abs=1e-6)
    assert database.incident(1)["embedding"]["from_reports"] == [10, 11]
    assert database.incident(1)["embedding"]["encoder_fingerprint"] == tiny_encoder.fingerprint
    assert "embedding" not in database.incident(5)
    for collection, documents in database.everything().items():
        for written, original in zip(documents, before[collection], strict=True):
            assert {key: written[key] for key in original} == original


def test_similar_incidents_are_the_closest_others(database: Database, refresh: Run) -> None:
    refresh()
    vectors = {i: torch.tensor(database.incident(i)["embedding"]["vector"]).double() for i in (1, 2, 3, 4)}
    for incident_id in (1, 2, 3, 4):
        without = {incident_id, *database.incident(incident_id).get("editor_dissimilar_incidents", [])}
        cosines = {
            other: torch.cosine_similarity(vectors[incident_id], vectors[other], dim=0).item()
            for other in vectors.keys() - without
        }
        similar = database.incident(incident_id)["nlp_similar_incidents"]
        assert [each["incident_id"] for each in similar] == sorted(cosines, key=lambda i: cosines[i], reverse=True)[:3]
        assert [each["similarity"] for each in similar] == pytest.approx(sorted(cosines.values(), reverse=True)[:3])
    assert [each["incident_id"] for each in database.incident(3)["nlp_similar_incidents"]].count(1) == 0


def test_a_run_without_changes_writes_nothing(database: Database, refresh: Run) -> None:
    refresh()
    assert len(database.updates) == 9
    database.server.commands.clear()
    before = database.everything()
    status, said = refresh()
    assert (status, database.updates) == (0, [])
    assert "0 texts embedded" in said
    assert database.everything() == before


def test_an_edited_report_changes_what_depends_on_it(database: Database, refresh: Run, tiny_encoder: Encoder) -> None:
    refresh()
    database.server.commands.clear()
    database.edit("reports", {"report_number": 20}, text="w50 w51")
    assert refresh()[0] == 0
    assert database.report(20)["embedding"]["vector"] == tiny_encoder.encode("w50 w51").vector.tolist()
    assert {update.partition(":")[0] for update in database.updates} == {
        "reports 20", "incidents 1", "incidents 2", "incidents 3", "incidents 4",
    }  # fmt: skip
    assert "incidents 1: nlp_similar_incidents" in database.updates
    assert "incidents 2: embedding, nlp_similar_incidents" in database.updates


def test_moved_and_removed_reports_change_the_incidents_alone(
    database: Database, refresh: Run, tiny_encoder: Encoder
) -> None:
    refresh()
    database.server.commands.clear()
    database.edit("incidents", {"incident_id": 1}, reports=[10])
    database.edit("incidents", {"incident_id": 4}, reports=[40, 11])
    assert refresh()[0] == 0
    assert not [update for update in database.updates if update.startswith("reports")]
    assert database.incident(1)["embedding"]["from_reports"] == [10]
    assert database.incident(1)["embedding"]["vector"] == tiny_encoder.encode("w10 w5").vector.tolist()
    assert database.incident(4)["embedding"]["from_reports"] == [11, 40]


def test_an_incident_that_left_the_index_loses_its_vector_and_neighbors(database: Database, refresh: Run) -> None:
    refresh()
    database.edit("reports", {"report_number": 20}, text="![](picture.png)")
    database.edit("incidents", {"incident_id": 4}, reports=[])
    status, said = refresh("--max-loss-percent", "50")
    assert status == 0
    assert "Skipped incident 4: none of its reports can be used" in said
    assert "Skipped incident 2, report 20: it has no text" in said
    assert "embedding" not in database.report(20)
    for incident_id in (2, 4):
        assert "embedding" not in database.incident(incident_id)
        assert database.incident(incident_id)["nlp_similar_incidents"] == []
    assert [each["incident_id"] for each in database.incident(1)["nlp_similar_incidents"]] == [3]
    database.server.commands.clear()
    assert refresh("--max-loss-percent", "50")[0] == 0
    assert database.updates == []


def test_a_duplicate_gives_its_reports_and_its_dissimilarity_to_the_true_incident(
    database: Database, refresh: Run
) -> None:
    refresh()
    database.edit("incidents", {"incident_id": 1}, editor_dissimilar_incidents=[4])
    duplicates = [
        {"duplicate_incident_number": 4, "true_incident_number": 2},
        {"duplicate_incident_number": 3, "true_incident_number": 777},  # of which there is no document
    ]
    database.server.data["duplicates"].insert_many(duplicates)
    assert refresh("--max-loss-percent", "50")[0] == 0
    assert database.incident(2)["embedding"]["from_reports"] == [20, 40]
    assert database.incident(1)["nlp_similar_incidents"] == []
    assert [each["incident_id"] for each in database.incident(2)["nlp_similar_incidents"]] == [1]
    assert ["embedding" in database.incident(incident_id) for incident_id in (3, 4)] == [False, False]


def test_vectors_of_another_encoder_are_replaced(database: Database, refresh: Run, tiny_encoder: Encoder) -> None:
    refresh()
    database.server.commands.clear()
    database.edit("reports", {"report_number": 10}, **{"embedding.encoder_fingerprint": "another"})
    database.edit("incidents", {"incident_id": 2}, **{"embedding.encoder_fingerprint": "another"})
    refresh()
    assert sorted(database.updates) == ["incidents 2: embedding", "reports 10: embedding"]
    assert database.report(10)["embedding"]["encoder_fingerprint"] == tiny_encoder.fingerprint


def test_bad_records_are_listed_and_stop_nothing(database: Database, refresh: Run) -> None:
    database.server.data["reports"].insert_many(
        [{"report_number": "many", "text": "w5"}, {"report_number": 50, "text": 5}]
    )
    database.server.data["incidents"].insert_one({"incident_id": None})
    database.edit("incidents", {"incident_id": 4}, editor_dissimilar_incidents=["x"])
    status, said = refresh()
    assert status == 3
    assert "skipped, in reports, report_number 'many': expected report_number to be a whole number" in said
    assert "skipped, in reports, report_number 50: expected a text, got int" in said
    assert said.count("incident_id to be a whole number from 1 to 2^63 - 1, got None") == 1
    assert "editor_dissimilar_incidents of incident 4" in said
    assert "embedding" in database.incident(1)
    assert "embedding" not in database.incident(4)


def test_a_dry_run_says_what_would_change_and_writes_nothing(database: Database, refresh: Run, tmp_path: Path) -> None:
    before = database.everything()
    status, said = refresh("--dry-run")
    assert (status, database.updates, database.everything()) == (0, [], before)
    assert "9 documents would change; nothing was written or published" in said
    assert "report 10: embedding" in said
    assert "incident 1: embedding, nlp_similar_incidents" in said
    assert not (tmp_path / "incident_cls.pt").exists()
    assert COLLECTION not in database.server.data.list_collection_names()


def test_the_index_is_published_but_not_one_of_far_fewer_incidents(
    database: Database, refresh: Run, s3: Any, tmp_path: Path
) -> None:
    assert refresh("--bucket", BUCKET)[0] == 0
    assert s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")["Metadata"]["incidents"] == "4"
    assert load_index(tmp_path / "incident_cls.pt").ids.tolist() == [1, 2, 3, 4]
    for number in (11, 20, 30, 40):
        database.edit("reports", {"report_number": number}, text="")
    before = database.everything()
    status, said = refresh("--bucket", BUCKET)
    assert status == 1
    assert "Stopped: expected at most 10 % fewer incidents with a vector than the 4 of the database, got 1" in said
    assert database.everything() == before
    assert s3.head_object(Bucket=BUCKET, Key="incident_cls.pt")["Metadata"]["incidents"] == "4"
