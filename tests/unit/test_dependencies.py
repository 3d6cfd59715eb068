"""The dependencies: declared once in pyproject.toml, locked whole in requirements.txt, installed in parts of it."""

import json
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
GROUPS: dict[str, list[str]] = PROJECT["dependency-groups"]

LOCK = "requirements.txt"
STAGES = [f"requirements/{stage}.txt" for stage in GROUPS if stage != "image"]
TORCH = "inference/requirements-torch.txt"
FUNCTION = "inference/requirements.txt"
RUNTIME = "inference/requirements-image.txt"
PARTS = [*STAGES, TORCH, FUNCTION, RUNTIME]
OTHERS = ["scripts/models/minilm.lock", "tests/support/emulator.lock"]

CPU_BUILDS = {  # SHA-256 of torch's builds without CUDA for Linux, by architecture and Python
    "x86_64 3.11": "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
    "x86_64 3.12": "4ca4a9394b0c771238a4f73590fdbbc4debad85ed0fa63d026ae1b085da7d6e2",
    "x86_64 3.13": "3fbf9c9d1f3c10c2d59d04aca426dee9ccc6ceb32d255c61e93acc3b4f75fae6",
    "x86_64 3.14": "d20fa53ee744502fa4c69818a720b05ca0d37abd055d4f6e66cae155114bc691",
    "aarch64 3.11": "84453b69508ec79902f899c5ed9495acb9e2bbe9fda5f1d5d6f19e3c3842e1a7",
    "aarch64 3.12": "6f307c2c32d764ffc6ff6893b801fad6d4752f3e67966cb8abf1843427c02604",
    "aarch64 3.13": "0b8f7d0423027ae8b90c7977c627f3379f325363a08224dffad9b4b2d684a83d",
    "aarch64 3.14": "ca021f9eb2f8345c83fa03e3a04587308afb8df71bd472670b3ece00df58621c",
}


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def read(file: str) -> dict[tuple[str, str], set[str]]:
    """The hashes of a file's requirements, by name and version; every line of the file is checked."""
    found: dict[tuple[str, str], set[str]] = {}
    text = re.sub(r"^#.*\n", "", (REPOSITORY / file).read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        match = re.fullmatch(
            r"([\w.-]+)==(\d[\w.]*)(?: ; [\w .<>=!'()]+?)?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line
        )
        assert match, f"{file}: {line}"
        hashes = match[3].split()
        assert len(set(hashes)) == len(hashes), f"{file}: {line}"
        found[canonical(match[1]), match[2]] = {each.removeprefix("--hash=sha256:") for each in hashes}
    return found


def declared(requirements: list[str]) -> set[tuple[str, str]]:
    """The names and exact versions of requirements in pyproject.toml."""
    matches = [re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?==(\d[\w.]*)", requirement) for requirement in requirements]
    return {(canonical(match[1]), match[2]) for match in matches if match}


@pytest.mark.parametrize("file", [LOCK, *PARTS, *OTHERS])
def test_every_requirement_has_a_version_and_hashes_and_nobody_says_from_where(file: str) -> None:
    assert read(file)
    assert not re.search(r"://|\w\.(?:org|com|io|net)\b|^-", (REPOSITORY / file).read_text(), flags=re.MULTILINE)


def test_the_lock_has_every_declared_dependency_in_its_version() -> None:
    requirements = PROJECT["project"]["dependencies"] + [each for group in GROUPS.values() for each in group]
    exact = declared(requirements)
    assert exact <= read(LOCK).keys()
    left_to_the_lock = {canonical(each) for each in requirements if "==" not in each}
    assert left_to_the_lock <= {canonical(each) for each in GROUPS["image"]}
    assert left_to_the_lock <= {name for name, _ in read(LOCK)}
    assert len(exact) + len(left_to_the_lock) == len(requirements)


@pytest.mark.parametrize("file", PARTS)
def test_what_is_installed_is_what_is_locked(file: str) -> None:
    assert read(file).items() <= read(LOCK).items()


def test_each_stage_has_what_its_group_declares() -> None:
    for stage in STAGES:
        assert declared(GROUPS[Path(stage).stem]) <= read(stage).keys(), stage
    assert declared(PROJECT["project"]["dependencies"]) <= read("requirements/run.txt").keys() | read(TORCH).keys()


def test_the_lock_has_nothing_that_no_stage_installs() -> None:
    assert read(LOCK).keys() == {requirement for file in PARTS for requirement in read(file)}


def test_the_image_has_few_packages_and_each_of_them_by_name() -> None:
    assert read(TORCH).keys() | read(FUNCTION).keys() == declared(PROJECT["project"]["dependencies"])
    assert {name for name, _ in read(RUNTIME)} == {canonical(each.partition("==")[0]) for each in GROUPS["image"]}
    assert len(read(TORCH)) + len(read(FUNCTION)) + len(read(RUNTIME)) == 17


def test_torch_is_taken_without_cuda() -> None:
    (hashes,) = read(TORCH).values()
    assert set(CPU_BUILDS.values()) < hashes
    names = {name for file in (LOCK, *PARTS) for name, _ in read(file)}
    assert not [name for name in names if name.startswith(("nvidia-", "cuda-", "triton"))]


def test_the_build_tool_is_the_one_that_is_installed() -> None:
    assert declared(PROJECT["build-system"]["requires"]) <= declared(GROUPS["run"])


def test_the_cdk_command_line_has_an_exact_version_and_comes_from_wherever_npm_looks() -> None:
    (version,) = json.loads((REPOSITORY / "package.json").read_text())["devDependencies"].values()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    locked = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]
    assert locked["node_modules/aws-cdk"]["version"] == version
    for name, package in locked.items():
        assert "resolved" not in package
        assert not name or package["integrity"].startswith("sha512-")
