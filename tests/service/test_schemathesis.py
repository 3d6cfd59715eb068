"""Generated calls, valid and invalid: the service answers as docs/openapi.json says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.model.encoder import Encoder
from scripts.cli.paths import OPENAPI
from scripts.local.openapi_schemas import NUMBERS
from support.servers.server import serve

FOLDER = Path(__file__).parent
EXAMPLES_PER_OPERATION = 100


def test_the_service_conforms_to_its_document(
    tiny_folder: Path, tiny_encoder: Encoder, tiny_index: IncidentIndex, tmp_path: Path
) -> None:
    """The document does not fix the width of embeddings, which depends on the encoder; here it is 32.

    Only lists are sent, because strings that hold such a list cannot be generated from a schema.
    """
    written = json.dumps(json.loads(OPENAPI.read_text()))
    numbers = json.dumps(NUMBERS)
    assert numbers in written
    width = {"minItems": tiny_encoder.width, "maxItems": tiny_encoder.width}
    definite = json.loads(written.replace(numbers, json.dumps(NUMBERS | width)))
    embed = definite["components"]["schemas"]["SimilarRequest"]["anyOf"][1]["properties"]["embed"]
    embed["anyOf"] = [kind for kind in embed["anyOf"] if kind["type"] == "array"]
    (tmp_path / "openapi.json").write_text(json.dumps(definite))
    save_index(tiny_index, tmp_path / "incident_cls.pt")
    with serve("--model", tiny_folder, "--index", tmp_path / "incident_cls.pt") as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", FOLDER / "schemathesis.toml"),
                *("run", tmp_path / "openapi.json", "--url", server.url),
                *("--max-examples", str(EXAMPLES_PER_OPERATION), "--suppress-health-check", "filter_too_much"),
            ],
            cwd=tmp_path,
            env=os.environ | {"SCHEMATHESIS_HOOKS": "calls", "PYTHONPATH": str(FOLDER)},
            capture_output=True,
            text=True,
            check=False,
        )
    print(done.stdout[-20_000:])
    assert done.returncode == 0
    generated = re.search(r"(\d+) generated, \1 passed", done.stdout)
    assert generated is not None
    assert int(generated[1]) >= 1000
