"""The sample incidents: what the file promises, and that the embedded model tells them apart."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from incidents.errors import InvalidInputError
from incidents.model.encoder import Encoder
from incidents.model.text import prepare

REPOSITORY = Path(__file__).resolve().parents[2]
MINILM = REPOSITORY / "models" / "minilm"


@pytest.fixture(scope="module")
def incidents() -> list[dict[str, Any]]:
    with (REPOSITORY / "sample" / "incidents.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    assert MINILM.is_dir(), "the embedded model is missing; `make model` fetches it"
    return Encoder.load(MINILM)


@pytest.fixture(scope="module")
def texts(incidents: list[dict[str, Any]]) -> list[str]:
    return [report["text"] for incident in incidents for report in incident["reports"]]


@pytest.fixture(scope="module")
def vectors(minilm: Encoder, texts: list[str]) -> torch.Tensor:
    return torch.stack([embedding.vector for embedding in minilm.encode_batch(texts)])


def test_the_sample_is_what_its_readme_says(incidents: list[dict[str, Any]], texts: list[str]) -> None:
    readme = (REPOSITORY / "sample" / "README.md").read_text()
    domains = {incident["domain"] for incident in incidents}
    words = [len(text.split()) for text in texts]
    assert f"{len(incidents)} known AI incidents with {len(texts)} short reports in {len(domains)} domains" in readme
    assert f"{min(words)} to {max(words)} words" in readme
    assert len(incidents) >= 40
    assert len(domains) >= 10
    assert min(words) >= 60
    assert max(words) <= 150
    assert [incident["incident_id"] for incident in incidents] == sorted({i["incident_id"] for i in incidents})
    for incident in incidents:
        assert set(incident) == {"incident_id", "title", "date", "domain", "reports"}
        assert len(incident["reports"]) >= 2
    assert len(set(texts)) == len(texts)


def test_a_report_finds_its_incident_without_its_own_help(
    incidents: list[dict[str, Any]], vectors: torch.Tensor
) -> None:
    """Leave one report out: it is taken out of its incident's mean before all incidents are ranked against it."""
    counts = torch.tensor([len(incident["reports"]) for incident in incidents])
    owners = torch.repeat_interleave(torch.arange(len(incidents)), counts)
    sums = torch.zeros(len(incidents), vectors.shape[1]).index_add(0, owners, vectors)
    missed = []
    for vector, owner in zip(vectors, owners.tolist(), strict=True):
        means = sums / counts.unsqueeze(1)
        means[owner] = (sums[owner] - vector) / (counts[owner] - 1)
        first = int(torch.nn.functional.cosine_similarity(means, vector.unsqueeze(0)).argmax())
        if first != owner:
            missed.append((incidents[owner]["incident_id"], incidents[first]["incident_id"]))
    found = 1 - len(missed) / len(vectors)
    print(f"{found:.1%} of {len(vectors)} reports find their incident first; (incident, found instead): {missed}")
    assert found >= 0.95


def test_minilm_is_the_model_its_authors_describe(texts: list[str], vectors: torch.Tensor) -> None:
    """Mean pooling and length 1, cut at 256 tokens, as its model card computes it with transformers.

    Every fourth text: all take five seconds more, and are not more exact.
    """
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    model = AutoModel.from_pretrained(MINILM)
    for text, vector in zip(texts[::4], vectors[::4], strict=True):
        inputs = tokenizer(prepare(text), truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            expected = torch.nn.functional.normalize(model(**inputs).last_hidden_state[0].mean(dim=0), dim=0)
        assert (vector - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("text", ["\x00", "\x01\x7f"])
def test_a_text_of_which_the_tokenizer_leaves_nothing_is_refused(minilm: Encoder, text: str) -> None:
    with pytest.raises(InvalidInputError, match="expected text with content"):
        minilm.encode(text)


def test_minilm_cuts_a_long_text_at_256_tokens(minilm: Encoder, texts: list[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    model = AutoModel.from_pretrained(MINILM)
    text = " ".join(texts[:10])
    embedding = minilm.encode(text)
    inputs = tokenizer(prepare(text), truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(model(**inputs).last_hidden_state[0].mean(dim=0), dim=0)
    assert (embedding.vector - expected).abs().max() <= 1e-5
    assert embedding.tokens_used == 256
    assert embedding.tokens == len(tokenizer(prepare(text))["input_ids"])
