"""The package that `pip install .` installs."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from incidents.names import SERVICE, VERSION

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", folder, REPOSITORY], check=True)
    (wheel,) = folder.iterdir()
    return wheel


def test_it_has_the_services_name_and_version_and_holds_the_package_alone(wheel: Path) -> None:
    assert wheel.name == f"{SERVICE.replace('-', '_')}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        assert Parser().parsestr(archive.read(metadata).decode())["Name"] == SERVICE
    package = {name for name in names if ".dist-info/" not in name}
    modules = (REPOSITORY / "inference" / "incidents").rglob("*.py")
    assert package == {path.relative_to(REPOSITORY / "inference").as_posix() for path in modules}


def test_it_can_be_imported_where_there_is_no_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]\nimport incidents.model.encoder as e; print(e.__file__)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}/incidents/model/encoder.py\n"
