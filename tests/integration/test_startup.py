"""The import of torch by `startup`, in new processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.store.current import IMAGE_FOLDER


def run(program: str, **environment: object) -> str:
    variables = {"PYTHONPATH": str(IMAGE_FOLDER)} | {name: str(value) for name, value in environment.items()}
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torch_can_train_and_compile_and_has_its_device_meta() -> None:
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
assert torch.ones(2, 3, device="meta").sum(dim=0).shape == (3,)
print(torch.compile(model, backend="eager")(torch.ones(1, 1)).item())
"""
    assert float(run(program)) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("collecting", [True, False])
def test_garbage_collection_is_as_it_was_before_the_import(collecting: bool) -> None:
    program = f"""
import gc
if not {collecting}:
    gc.disable()
from incidents import startup
print(gc.isenabled(), gc.get_freeze_count() > 100_000)
"""
    assert run(program).split() == [str(collecting), "True"]


def test_a_failed_import_leaves_garbage_collection_on(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('broken')")
    program = """
import gc
try:
    from incidents import startup
except ImportError as error:
    print(error, gc.isenabled())
"""
    assert run(program, PYTHONPATH=f"{tmp_path}:{IMAGE_FOLDER}").split() == ["broken", "True"]


def test_a_handler_needs_neither_transformers_nor_numpy_and_loads_nothing_at_import(
    tiny_folder: Path, tiny_index: IncidentIndex, tmp_path: Path
) -> None:
    program = """
import sys
sys.modules["numpy"] = sys.modules["transformers"] = None  # importing them fails
import similar
assert "tokenizers" not in sys.modules
answer = similar.handler({"text": "w5"}, None)
assert answer["statusCode"] == 200, answer
"""
    save_index(tiny_index, tmp_path / "index.pt")
    environment = {"PYTHONPATH": IMAGE_FOLDER, "MODEL_PATH": tiny_folder, "INDEX_PATH": tmp_path / "index.pt"}
    command = [sys.executable, "-W", "error::UserWarning", "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
