"""What a handler's import of torch leaves out; each in a process of its own, which imports torch anew."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from incidents.index.incident_index import IncidentIndex
from incidents.settings import IMAGE_FOLDER
from incidents.startup import UNUSED


def run(program: str, **environment: object) -> str:
    variables = {"PYTHONPATH": str(IMAGE_FOLDER)} | {name: str(value) for name, value in environment.items()}
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("handler", ["similar", "embed", "info"])
def test_a_request_is_answered_without_running_any(
    tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path, handler: str
) -> None:
    tiny_index.save(tmp_path / "index.pt")
    program = f"""
import contextlib, json, sys
import {handler}
with contextlib.redirect_stdout(sys.stderr):
    answer = {handler}.handler({{"text": "w5 w6"}}, None)
assert answer["statusCode"] == 200, answer
getters = {{name: repr(vars(module).get("__getattr__")) for name, module in sys.modules.items()}}
print(json.dumps([name for name, getter in getters.items() if "run_and_get" in getter]))
"""
    found = json.loads(run(program, MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "index.pt"))
    assert sorted(found) == sorted(UNUSED)


def test_one_that_is_used_has_all_that_it_has_in_a_plain_torch() -> None:
    program = f"""
import json, sys
import torch
contents = {{}}
for name in {UNUSED}:
    module = sys.modules[name]
    hasattr(module, "anything")
    contents[name] = sorted(key for key in vars(module) if key != "__warningregistry__")
print(json.dumps(contents))
"""
    plain, quick = run(program), run(f"from incidents import startup\n{program}")
    assert json.loads(quick) == json.loads(plain)


def test_torch_trains_and_compiles_as_ever() -> None:
    program = """
from incidents import startup
import torch
from torch.optim import *
model = torch.nn.Linear(1, 1)
optimizer = SGD(model.parameters(), lr=0.1)
noise = torch.distributions.Normal(0.0, 0.001)
for batch in torch.utils.data.DataLoader([torch.tensor([float(number)]) for number in range(3)] * 200, batch_size=3):
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(batch), 2 * batch + noise.sample()).backward()
    optimizer.step()
print(torch.compile(model, backend="eager")(torch.ones(1, 1)).item())
"""
    assert float(run(program)) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("collecting", [True, False])
def test_garbage_is_collected_after_the_import_if_it_was_before(collecting: bool) -> None:
    program = f"""
import gc
if not {collecting}:
    gc.disable()
from incidents import startup
import torch
print(gc.isenabled(), gc.get_freeze_count() > 100_000)
"""
    assert run(program).split() == [str(collecting), "True"]


def test_an_import_that_fails_leaves_collection_on(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('broken')")
    program = """
import gc
from incidents import startup
try:
    import torch
except ImportError as error:
    print(error, gc.isenabled())
"""
    assert run(program, PYTHONPATH=f"{tmp_path}:{IMAGE_FOLDER}").split() == ["broken", "True"]
