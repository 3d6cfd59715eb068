"""docs/openapi.json is valid, and its examples are what the service answers."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from incidents.http import endpoint as api
from incidents.http.routes import METHODS, routes
from incidents.settings import Settings
from scripts.cli.paths import MODEL_FOLDER, OPENAPI
from scripts.local.openapi_document import make_document
from scripts.local.openapi_schemas import TEXT

WRITTEN = json.loads(OPENAPI.read_text())
CHANGING = {"built_at", "age_seconds", "source", "version"}


@pytest.fixture
def document(configure: Any) -> dict[str, Any]:
    """The document that `make openapi` would write now."""
    assert (MODEL_FOLDER / "incident_cls.pt").is_file(), "the embedded model or its index is missing; run `make index`"
    configure(MODEL_PATH=MODEL_FOLDER)
    return make_document()


def without_examples(document: dict[str, Any]) -> dict[str, Any]:
    return document | {"components": {"schemas": document["components"]["schemas"]}}


def leaves(value: Any) -> list[Any]:
    """The keys and values in a value, in order, without those that differ from index to index."""
    if isinstance(value, dict):
        return [leaf for key in sorted(value.keys() - CHANGING) for leaf in (key, *leaves(value[key]))]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


def test_it_is_valid() -> None:
    validate(WRITTEN)


def test_it_is_what_would_be_written_now(document: dict[str, Any]) -> None:
    assert without_examples(document) == without_examples(WRITTEN), "run `make openapi`"


def test_its_examples_are_real_answers(document: dict[str, Any]) -> None:
    now, written = document["components"]["examples"], WRITTEN["components"]["examples"]
    for example in (now["similar"], written["similar"]):
        assert example["value"]["body"].pop("msg").startswith("[(0.54822")
    for was, is_now in zip(leaves(written), leaves(now), strict=True):
        assert is_now == (pytest.approx(was, abs=1e-5) if isinstance(was, float) else was)
    assert written["similar"]["value"]["body"]["similar"][0]["incident_id"] == 726


def test_it_has_every_route_with_every_method() -> None:
    assert {path: sorted(operations) for path, operations in WRITTEN["paths"].items()} == dict.fromkeys(
        routes(), sorted(method.lower() for method in METHODS)
    )


def test_it_knows_every_status_that_an_error_has() -> None:
    statuses = {"200", "500", *map(str, api.STATUSES.values())}
    for path in ("/similar", "/embed"):
        assert set(WRITTEN["paths"][path]["post"]["responses"]) == statuses | {"431"}


def test_the_limit_it_names_is_the_default() -> None:
    limit = Settings.from_mapping({}).max_text_characters
    assert f"at most {limit:,} characters" in TEXT["description"]


def test_every_script_has_a_handler() -> None:
    for script in set(routes().values()):
        assert callable(importlib.import_module(script).handler)
        assert Path(str(importlib.import_module(script).__file__)).parent.name == "inference"
