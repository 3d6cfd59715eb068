"""Building indexes of vectors that the original service made."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import similar
from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import load_index
from incidents.model.encoder import Encoder
from support.build_output import refused
from support.envelope import open_answer

Command = Callable[..., int]
NLP_LAMBDAS = Path(__file__).resolve().parents[4] / "shared" / "data" / "nlp-lambdas"


def test_a_real_users_state_csv_answers_an_embed_and_refuses_a_text(
    import_vectors: Command, tmp_path: Path, tiny_folder: Path, configure: Callable[..., None]
) -> None:
    (tmp_path / "state.csv").write_text(
        "incident_id,count,mean\n" + "".join(f'{n},3,"{[float(n == k) for k in range(32)]}"\n' for n in range(1, 9))
    )
    name = ("--encoder-name", "allenai/longformer-base-4096", "--encoder-revision", "main")
    assert import_vectors(f"state-csv:{tmp_path / 'state.csv'}", *name) == 0
    index = load_index(tmp_path / "incident_cls.pt")
    assert index.encoder == EncoderInfo("allenai/longformer-base-4096", "main", "unknown", 32, 2000)
    assert (index.report_counts.tolist(), index.titles[0]) == ([3] * 8, "Incident 1")

    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "incident_cls.pt")
    status, body = open_answer(similar.handler({"embed": [float(k == 5) for k in range(32)], "num": 1}, None))
    assert (status, body["msg"]) == (200, "[(1.0, 5)]")
    status, body = open_answer(similar.handler({"text": "w5"}, None))
    assert status == 503
    assert "expected an index built with" in body["msg"]
    assert "got one built with allenai/longformer-base-4096 main (unknown)" in body["msg"]


def test_a_model_that_is_named_vouches_for_imported_vectors(
    import_vectors: Command, tmp_path: Path, tiny_folder: Path, tiny_encoder: Encoder, configure: Callable[..., None]
) -> None:
    vectors = [torch.stack([tiny_encoder.encode("w5").vector] * 2), None, tiny_encoder.encode("w7").vector.unsqueeze(0)]
    torch.save(vectors, tmp_path / "old.pt")
    assert import_vectors(f"legacy-pt:{tmp_path / 'old.pt'}") == 0
    index = load_index(tmp_path / "incident_cls.pt")
    assert (index.ids.tolist(), index.report_counts.tolist()) == ([1, 3], [2, 1])
    assert (index.source, index.encoder.fingerprint) == ("legacy-pt:old.pt", tiny_encoder.fingerprint)
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "incident_cls.pt")
    status, body = open_answer(similar.handler({"text": "w7", "num": 1}, None))
    assert (status, body["similar"][0]["incident_id"]) == (200, 3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,1,[1.0]\n", "incident 1: expected a vector of 32 numbers, got (1,)"),
        ("", "expected at least one incident"),
        (f'1,1,"{[math.nan] * 32}"\n'.replace("nan", "NaN"), "incident 1: expected a vector of finite"),
        (f'1,1,"{[1.0] * 32}"\n' * 2, "expected every incident once, got 1 twice"),
        (f'1,1,"{[0.0] * 32}"\n', "expected every vector to be finite and not zero"),
        (f'1,0,"{[1.0] * 32}"\n', "expected at least one incident"),
        (f'-1,1,"{[1.0] * 32}"\n', "line 2: expected incident_id and count (whole numbers in 64 bits)"),
    ],
)
def test_invalid_vectors_are_refused(
    import_vectors: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, message: str
) -> None:
    (tmp_path / "state.csv").write_text("incident_id,count,mean\n" + rows)
    refused(import_vectors(f"state-csv:{tmp_path / 'state.csv'}"), message, capsys)


@pytest.mark.skipif(not NLP_LAMBDAS.is_dir(), reason="the real vectors are not on this machine")
def test_the_golden_answer_after_importing_the_real_state_csv(
    import_vectors: Command, tmp_path: Path, configure: Callable[..., None]
) -> None:
    name = ("--encoder-name", "allenai/longformer-base-4096")
    assert import_vectors(f"state-csv:{NLP_LAMBDAS / 'state.csv'}", *name) == 0
    configure(INDEX_PATH=tmp_path / "incident_cls.pt")
    event = {"body": (NLP_LAMBDAS / "incident_1_embedding.json").read_text()}
    status, body = open_answer(similar.handler(event, None))
    assert status == 200
    assert [match["incident_id"] for match in body["similar"]] == [1, 55, 39]
    assert [match["similarity"] for match in body["similar"]] == pytest.approx(
        [0.9975790978, 0.9968798161, 0.9966242313], rel=0, abs=1e-6
    )
    assert body["index"]["incidents"] == 178
