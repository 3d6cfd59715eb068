"""Rules for the imports of modules that are in no package; import-linter has those of the packages."""

import ast
from pathlib import Path

import pytest

from incidents.http.routes import script_names

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = {"incidents", "infrastructure", "scripts", *script_names()}


def imports(file: Path) -> set[str]:
    """The project's modules that a file imports, as in `from module import name` or `import module`."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative import"
            if node.module == "incidents":
                found |= {f"incidents.{alias.name}" for alias in node.names}
            else:
                found.add(node.module or "")
    return {module for module in found if module.split(".")[0] in PROJECT}


@pytest.mark.parametrize("script", script_names())
def test_a_handler_translates_and_leaves_the_rest_to_the_rooms(script: str) -> None:
    allowed: tuple[str, ...] = ("incidents.http.", "incidents.names")
    if script != "page":  # which must not wait for torch
        allowed += (
            "incidents.errors",
            "incidents.findings.",
            "incidents.model.text",
            "incidents.startup",
            "incidents.store.",
        )
    found = imports(REPOSITORY / "inference" / f"{script}.py")
    assert found
    assert not {module for module in found if not module.startswith(allowed)}


def test_the_app_imports_the_stack_alone() -> None:
    assert {module.split(".")[0] for module in imports(REPOSITORY / "app.py")} == {"infrastructure"}
