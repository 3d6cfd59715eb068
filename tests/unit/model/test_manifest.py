"""The manifest of a model folder: it detects changed, missing and extra files."""

import hashlib
import json
from pathlib import Path

import pytest

from incidents.errors import InvalidModelError
from incidents.model.encoder import Encoder
from incidents.model.manifest import verify_files, verify_fingerprint
from support.tiny import edit_weights


def write_manifest(folder: Path) -> None:
    names = ("config.json", "tokenizer.json", "model.safetensors")
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "manifest.json").write_text(json.dumps({"name": "tiny", "revision": "1", "files": files}))


def test_files_that_match_the_manifest_pass(folder: Path) -> None:
    verify_files(folder)
    write_manifest(folder)
    verify_files(folder)


def test_the_manifest_detects_damage_that_the_fingerprint_misses(folder: Path) -> None:
    write_manifest(folder)
    edit_weights(folder, lambda weights: weights["embeddings.word_embeddings.weight"][30].zero_())
    with pytest.raises(InvalidModelError, match=r"model\.safetensors: expected sha256 \w+, got \w+; fetch the model"):
        verify_files(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InvalidModelError, match=r"model\.safetensors: missing"):
        verify_files(folder)


def test_the_fingerprint_detects_an_extra_file_that_changes_the_vectors(folder: Path) -> None:
    write_manifest(folder)
    manifest = folder / "manifest.json"
    before = Encoder.load(folder).fingerprint
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"fingerprint": before}))
    verify_fingerprint(folder, before)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    verify_files(folder)
    after = Encoder.load(folder).fingerprint
    with pytest.raises(
        InvalidModelError, match=f"expected the fingerprint {after} of the folder's model, got {before}"
    ):
        verify_fingerprint(folder, after)
