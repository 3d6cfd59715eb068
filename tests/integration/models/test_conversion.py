"""Models that are converted before they are put in place, from a folder and from a local server in place of the hub.

The hub's client is the real one; the model is tiny and has the name and revision of the real one.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants, hf_hub_url
from safetensors import safe_open
from transformers import LongformerConfig, LongformerForMaskedLM, LongformerModel

from incidents.model.encoder import Encoder
from incidents.model.manifest import verify_files
from scripts import fetch_model
from scripts.indexing.embedding import load_verified
from scripts.models import conversion
from scripts.models import hub as hub_module
from scripts.models.fetching import LONGFORMER, LONGFORMER_FILENAMES, LONGFORMER_REVISION
from support.full_disk import full_disk
from support.servers.hub_server import Hub, etag, serving_hub
from support.tiny import make_model, write_tokenizer

WEIGHTS = "pytorch_model.bin"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Longformer as the real one is published: a pickle, with a prefix and the head of a masked-language model."""
    folder = tmp_path_factory.mktemp("published")
    config = LongformerConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=42,
        type_vocab_size=1,
        attention_window=8,
    )
    torch.manual_seed(7)
    torch.save(LongformerForMaskedLM(config).state_dict(), folder / WEIGHTS)
    config.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(published, tmp_path / "copy"))


def fetch(model: Path | str, output: Path) -> int:
    return fetch_model.main([str(model), "--output", str(output)])


def assert_refused(model: Path | str, output: Path, message: str, err: Callable[[], str]) -> None:
    assert fetch(model, output) == 1
    explanation = err()
    assert "No model fetched: " in explanation
    assert message in explanation
    assert not output.exists()
    assert not list(output.parent.glob(".fetch-*"))


@pytest.fixture
def err(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().err


# From a folder


def test_a_folder_is_converted_to_what_the_encoder_needs(published: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    assert fetch(published, output) == 0
    files = sorted(path.name for path in output.iterdir())
    assert files == ["config.json", "manifest.json", "model.safetensors", "tokenizer.json"]
    with safe_open(output / "model.safetensors", framework="pt") as file:
        names = list(file.keys())
    assert not [name for name in names if "global" in name or "pooler" in name or "lm_head" in name]
    assert len(names) == 5 + 3 * 16
    assert "encoder.layer.2.output.dense.weight" in names

    verify_files(output)
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["files"].keys() == {"config.json", "tokenizer.json", "model.safetensors"}
    assert manifest["name"] == published.name
    assert manifest["revision"] == "sha256:" + manifest["files"]["model.safetensors"][:12]

    model = LongformerModel.from_pretrained(published, add_pooling_layer=False).eval()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        expected = model(torch.tensor([[0, 5, 6, 7, 2]])).last_hidden_state[0, 0]
    assert (Encoder.load(output).encode("w5 w6 w7").vector - expected).abs().max() <= 1e-5


def test_the_files_of_sentence_transformers_are_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    model = make_model(source, "bert")
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": f"1_{kind}"} for kind in kinds]
    (source / "modules.json").write_text(json.dumps(modules))
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    assert fetch(source, tmp_path / "mine") == 0
    with torch.inference_mode():
        mean = model(torch.tensor([[0, 9, 8, 2]])).last_hidden_state[0].mean(dim=0)
    assert (Encoder.load(tmp_path / "mine").encode("w9 w8").vector - mean / mean.norm()).abs().max() <= 1e-5


def test_a_changed_model_is_all_that_its_folder_holds(tmp_path: Path) -> None:
    """Configuration files left by the old model would give vectors of neither model."""
    source, output = tmp_path / "mine", tmp_path / "output"
    make_model(source, "bert")
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": f"1_{kind}"} for kind in kinds]
    (source / "modules.json").write_text(json.dumps(modules))
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (source / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    assert fetch(source, output) == 0
    (output / "incident_cls.pt").write_text("an index")
    for name in ("modules.json", "1_Pooling/config.json", "sentence_bert_config.json"):
        (source / name).unlink()
    assert fetch(source, output) == 0
    files = sorted(path.name for path in output.rglob("*") if path.is_file())
    assert files == ["config.json", "incident_cls.pt", "manifest.json", "model.safetensors", "tokenizer.json"]
    encoder = load_verified(output)
    assert torch.equal(encoder.encode("w9 w8").vector, Encoder.load(source).encode("w9 w8").vector)


def test_a_model_whose_vectors_differ_is_not_put_in_place(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, err: Callable[[], str]
) -> None:
    monkeypatch.setattr(conversion, "prepare", lambda text: text + " w5")  # for transformers only, not for the encoder
    assert_refused(
        published, tmp_path / "mine", "expected the vectors of transformers, got vectors that differ by ", err
    )


class Hostile:
    """Unpickles by making a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.mkdir, (self.folder,)


def drop_a_tensor(folder: Path) -> None:
    weights = torch.load(folder / WEIGHTS)
    del weights["longformer.encoder.layer.1.attention.self.query.bias"]
    torch.save(weights, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json: missing"),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "t5"}'),
            "expected model_type to be one of",
        ),
        (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS),
        (lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100]), "damaged"),
        (lambda folder: torch.save({"x": Hostile(folder / "made")}, folder / WEIGHTS), "damaged"),
        (drop_a_tensor, "the weights lack encoder.layer.1.attention.self.query.bias"),
    ],
)
def test_a_folder_without_a_usable_model_is_refused(
    copy: Path, damage: Callable[[Path], object], message: str, err: Callable[[], str]
) -> None:
    damage(copy)
    assert_refused(copy, copy.parent / "mine", message, err)
    assert not (copy / "made").exists()


def test_a_missing_folder_is_named(tmp_path: Path, err: Callable[[], str]) -> None:
    assert_refused("nowhere", tmp_path / "mine", "expected longformer, minilm or a folder, got nowhere", err)


def test_a_folder_is_not_its_own_output(copy: Path, err: Callable[[], str]) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert fetch(copy, copy) == 1
    assert "expected --output to be another folder" in err()
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


@pytest.mark.parametrize("limit_bytes", [100, 5_000, 60_000])
def test_a_full_disk_is_reported(published: Path, tmp_path: Path, err: Callable[[], str], limit_bytes: int) -> None:
    """Full at the first file, or only at the weights."""
    with full_disk(limit_bytes):
        assert_refused(published, tmp_path / "mine", "File too large", err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["/proc/x/y", "/dev/null/y"])
def test_an_output_that_cannot_be_created_is_named(published: Path, err: Callable[[], str], folder: str) -> None:
    assert fetch(published, Path(folder)) == 1
    assert re.fullmatch(f"No model fetched: .*'{Path(folder).parent}.*'\n", err())


# From the hub


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = f"/{LONGFORMER}/resolve/{LONGFORMER_REVISION}/"
    files = {folder + name: (published / name).read_bytes() for name in LONGFORMER_FILENAMES}
    with serving_hub(Hub(files)) as hub:
        monkeypatch.setattr(hub_module, "hf_hub_url", partial(hf_hub_url, endpoint=hub.url))  # as HF_ENDPOINT does
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # an incomplete chunk is lost
        monkeypatch.setattr(fetch_model, "DOWNLOADS", tmp_path / "downloads")
        yield hub


def part(hub: Hub, tmp_path: Path) -> Path:
    """The file of a partial download of the weights."""
    (content,) = (content for path, content in hub.files.items() if path.endswith(WEIGHTS))
    folder = tmp_path / "downloads" / "allenai--longformer-base-4096" / LONGFORMER_REVISION
    folder.mkdir(parents=True)
    return folder / f"{WEIGHTS}.{etag(content)}.part"


@pytest.mark.usefixtures("hub")
def test_the_longformer_comes_from_the_hub_at_its_revision(tmp_path: Path) -> None:
    output = tmp_path / "models" / "longformer"
    assert fetch("longformer", output) == 0
    encoder = Encoder.load(output)
    assert (encoder.name, encoder.revision) == (LONGFORMER, LONGFORMER_REVISION)
    verify_files(output)
    assert list((tmp_path / "downloads").rglob("*.bin")) == []


def test_a_cut_download_resumes(hub: Hub, tmp_path: Path) -> None:
    sizes = [len(content) for content in hub.files.values()]
    hub.cuts = [*sizes[:2], 50_000]
    assert fetch("longformer", tmp_path / "longformer") == 0
    assert hub.ranges == [f"{WEIGHTS} from 50000"]


def test_a_later_call_resumes_an_interrupted_download(hub: Hub, tmp_path: Path) -> None:
    (content,) = (content for path, content in hub.files.items() if path.endswith(WEIGHTS))
    part(hub, tmp_path).write_bytes(content[:70_000])
    assert fetch("longformer", tmp_path / "longformer") == 0
    assert hub.ranges == [f"{WEIGHTS} from 70000"]


def test_a_damaged_partial_download_is_dropped(hub: Hub, tmp_path: Path, err: Callable[[], str]) -> None:
    part(hub, tmp_path).write_bytes(b"\0" * 70_000)
    assert_refused("longformer", tmp_path / "longformer", f"{WEIGHTS}: expected a file with the digest", err)
    assert fetch("longformer", tmp_path / "longformer") == 0


def test_files_in_the_hubs_own_cache_are_used(hub: Hub, published: Path, tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "models--allenai--longformer-base-4096" / "snapshots" / LONGFORMER_REVISION
    shutil.copytree(published, cached)
    hub.status = 500
    assert fetch("longformer", tmp_path / "longformer") == 0
    assert (cached / WEIGHTS).is_file()


@pytest.mark.parametrize("manifest", [None, '{"name": "mine"}'])
def test_for_a_folder_of_another_model_nothing_is_downloaded(
    hub: Hub, tmp_path: Path, err: Callable[[], str], manifest: str | None
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("mine" if manifest is None else "{}")
    if manifest:
        (tmp_path / "mine" / "manifest.json").write_text(manifest)
    hub.files = {path: content for path, content in hub.files.items() if path.endswith("/config.json")}
    assert fetch("longformer", tmp_path / "mine") == 1
    assert err() == f"No model fetched: {tmp_path / 'mine'} holds another model; name another folder\n"


def test_the_download_is_kept_until_the_model_is_in_place(hub: Hub, tmp_path: Path, err: Callable[[], str]) -> None:
    (tmp_path / "longformer" / "model.safetensors" / "in-the-way").mkdir(parents=True)
    assert fetch("longformer", tmp_path / "longformer") == 1
    assert "No model fetched: " in err()
    hub.status = 500
    shutil.rmtree(tmp_path / "longformer")
    assert fetch("longformer", tmp_path / "longformer") == 0


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_hub_that_refuses_is_an_error(hub: Hub, tmp_path: Path, err: Callable[[], str], status: int) -> None:
    hub.status = status
    assert_refused("longformer", tmp_path / "longformer", "/config.json is not available: ", err)


@pytest.mark.usefixtures("hub")
def test_without_the_hub_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, err: Callable[[], str]
) -> None:
    monkeypatch.setattr(hub_module, "hf_hub_url", partial(hf_hub_url, endpoint="http://127.0.0.1:9"))
    assert fetch("longformer", tmp_path / "longformer") == 1
    explanation = err()
    assert "http://127.0.0.1:9/allenai/longformer-base-4096/resolve/301e6a42" in explanation
    assert "try again when the hub is reachable, or set HF_ENDPOINT to a mirror." in explanation
    assert "Or copy config.json, tokenizer.json, pytorch_model.bin from another machine" in explanation
