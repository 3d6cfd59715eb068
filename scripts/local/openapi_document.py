"""The OpenAPI document of the HTTP API, with the service's own answers as examples."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from incidents.http.routes import ALIASES, METHODS, routes
from incidents.names import VERSION
from scripts.local.openapi_schemas import NUM, NUMBERS, RANK, TEXT, URL, Json, make_schemas
from scripts.local.service import call

DESCRIPTION: Final = """Which known AI incidents does a text resemble?

The service embeds the text and ranks incidents by the cosine similarity of their vectors: 1 means the same direction,
higher is closer. Its verdict says whether the text is about a known incident. A POST takes a JSON object, with any
Content-Type; a GET takes the same fields in its query string.

Every answer is an envelope: its `statusCode` is the HTTP status, its `body` the actual answer."""

EVENTS: Final[dict[str, Json]] = {
    "embed": {"text": "A robot crushed a worker"},
    "embed_refused": {},
    "info": {},
    "similar": {"text": "A robotaxi struck a pedestrian and dragged her along the street", "num": 3, "rank": "hybrid"},
    "similar_refused": {"embed": [0.5, "a"]},
}
"""The events behind the examples, by script; a script's name with _refused has an event that it refuses."""


def make_document() -> Json:
    """The document; its examples are the configured service's answers."""
    paths: dict[str, Json] = {}
    for path, script in routes().items():
        if (describe := DESCRIPTIONS.get(script)) is None:
            raise ValueError(f"expected a description of /{script} in scripts/local/openapi_document.py, got none")
        paths[path] = {
            method.lower(): describe(method)
            | {"operationId": f"{method.lower()}_{path.strip('/').replace('-', '_') or 'root'}", "tags": [script]}
            | ({"description": f"The same as /{script}."} if path in ALIASES else {})
            for method in METHODS
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Similar incidents",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "MIT-0", "identifier": "MIT-0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": make_schemas(), "examples": _make_examples()},
    }


def _similar(method: str) -> Json:
    operation: Json = {"summary": "The known incidents that a text, or its embedding, resembles"}
    operation["responses"] = {"200": _answer("SimilarEnvelope", "similar")} | _errors("similar_refused")
    ask = EVENTS["similar"]
    if method == "POST":
        return operation | {"requestBody": _request_body("SimilarRequest", ask)}
    embed = {
        "in": "query",
        "name": "embed",
        "description": "The embedding of a text, instead of the text, as a JSON list.",
    }
    return operation | {
        "parameters": [
            _query_parameter("text", {"type": "string", "description": TEXT["description"]}, ask["text"]),
            embed | {"content": {"application/json": {"schema": NUMBERS}}},
            _query_parameter("num", NUM, ask["num"]),
            _query_parameter("rank", RANK, ask["rank"]),
            {"in": "query", "name": "url", "description": URL["description"], "schema": URL},
        ]
    }


def _embed(method: str) -> Json:
    operation: Json = {"summary": "The embedding of a text"}
    operation["responses"] = {"200": _answer("EmbedEnvelope", "embed")} | _errors("embed_refused")
    ask = EVENTS["embed"]
    if method == "POST":
        return operation | {"requestBody": _request_body("EmbedRequest", ask)}
    return operation | {"parameters": [_query_parameter("text", TEXT, ask["text"]) | {"required": True}]}


def _info(_: str) -> Json:
    responses = {"200": _answer("InfoEnvelope", "info")} | _errors(None)
    return {"summary": "The encoder and the index in service", "responses": responses}


def _page(_: str) -> Json:
    page = {"description": "HTML", "content": {"text/html": {"schema": {"type": "string"}}}}
    return {"summary": "The page for people", "responses": {"200": page}}


def _answer(schema: str, example: str, description: str = "The answer") -> Json:
    examples = {example: {"$ref": f"#/components/examples/{example}"}}
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": examples}
    return {"description": description, "content": {"application/json": content}}


def _errors(refusal: str | None) -> Json:
    """The error answers of a script; `refusal` names an example of a 400, None means that the script takes no input."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}}
    retry_after = {"schema": {"type": "string"}, "description": "Seconds"}
    errors: Json = {
        "500": {"description": "Unexpected error; `msg` has the request id", "content": content},
        "503": {
            "description": "No usable model or index, or an index built with another encoder",
            "headers": {"Retry-After": retry_after},
            "content": content,
        },
    }
    if refusal is None:
        return errors
    unusable = _answer("ErrorEnvelope", refusal, "Invalid input; `msg` says what was expected and what was received")
    too_large = {"description": "A body or a text over the limit", "content": content}
    too_long = {"description": "A query string over 10 KB; API Gateway answers this itself"}
    return {"400": unusable, "413": too_large, "431": too_long} | errors


def _make_examples() -> Json:
    """The configured service's answers to EVENTS."""
    return {
        name: {
            "summary": f"The answer to {json.dumps(event)}",
            "value": call(name.removesuffix("_refused"), event),
        }
        for name, event in EVENTS.items()
    }


def _request_body(schema: str, example: Json) -> Json:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"required": True, "content": {"application/json": content}}


def _query_parameter(name: str, schema: Json, example: Any) -> Json:
    return {"in": "query", "name": name, "schema": schema, "example": example}


def format_document(document: Json) -> str:
    """The document as text, with each list of numbers on one line."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    numbers = r"\[\s+(-?[\d.e-]+(?:,\s+-?[\d.e-]+)*)\s+\]"
    return re.sub(numbers, lambda found: " ".join(found[0].split()), text) + "\n"


DESCRIPTIONS: Final[dict[str, Callable[[str], Json]]] = {
    "embed": _embed,
    "info": _info,
    "page": _page,
    "similar": _similar,
}
"""What describes a method of each script's route."""
