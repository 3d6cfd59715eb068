"""Write docs/openapi.json: the HTTP API for people and programs, with real answers as its examples."""

import argparse
import importlib
import json
import logging
import re
import sys
from typing import Any, Final

from incidents.http.routes import ALIASES, METHODS, routes
from incidents.names import SERVICE, VERSION
from scripts.cli.paths import OPENAPI
from scripts.local import service as local_service

Json = dict[str, Any]

DESCRIPTION: Final = """Which known AI incidents does a text resemble?

Texts are embedded, and incidents ranked by the cosine similarity of their vectors: 1 is the same direction, higher is
closer. A POST takes a JSON object whatever its Content-Type says; a GET takes the same fields in its query string.

Every answer is an envelope, whose `statusCode` is the HTTP status and whose `body` is the answer proper."""

TEXT: Final[Json] = {
    "type": "string",
    "pattern": r"\S",
    "description": "A text. It is transliterated to ASCII and stripped of the whitespace around it before it is "
    "embedded; something has to be left. By default at most 200,000 characters are accepted.",
}
NUMBERS: Final[Json] = {
    "type": "array",
    "items": {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max},
    "contains": {"not": {"const": 0}},
    "description": "An embedding: as many numbers as `encoder.width` of /info says, not all of them 0.",
}
EVENTS: Final[dict[str, Json]] = {
    "embed": {"text": "A robot crushed a worker"},
    "embed_refused": {},
    "info": {},
    "similar": {"text": "A robotaxi struck a pedestrian and dragged her along the street", "num": 3},
    "similar_refused": {"embed": [0.5, "a"]},
}
"""What is asked for the examples, by script, and by script for what it refuses."""

NUM: Final[Json] = {
    "default": 3,
    "description": "How many incidents: a whole number, or a string that holds one. Below 0 means all. "
    "Anything else gives 3 and a warning.",
}


def main() -> int:
    """Run the command line; the exit status is 0 when the file is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    local_service.add_arguments(parser)
    local_service.configure(parser, parser.parse_args())
    logging.getLogger(SERVICE).setLevel(logging.ERROR)
    text = json.dumps(document(), indent=2, ensure_ascii=False)
    on_one_line = re.sub(r"\[\s+(-?[\d.e-]+(?:,\s+-?[\d.e-]+)*)\s+\]", lambda found: " ".join(found[0].split()), text)
    OPENAPI.write_text(on_one_line + "\n", encoding="utf-8")
    print(f"{OPENAPI}: {len(routes())} paths", file=sys.stderr)
    return 0


def document() -> Json:
    """The OpenAPI document; its examples are asked of the service here and now."""
    paths: dict[str, Json] = {}
    for path, script in routes().items():
        describe = {"page": _page, "info": _info, "embed": _embed, "similar": _similar}[script]
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
        "components": {"schemas": _schemas(), "examples": _examples()},
    }


def _similar(method: str) -> Json:
    operation: Json = {"summary": "The known incidents that a text, or its embedding, resembles"}
    operation["responses"] = {"200": _answer("SimilarEnvelope", "similar")} | _errors("similar_refused")
    ask = EVENTS["similar"]
    if method == "POST":
        return operation | {"requestBody": _request_body("SimilarRequest", ask)}
    embed = {"in": "query", "name": "embed", "description": "Instead of a text, its embedding, as a JSON list."}
    return operation | {
        "parameters": [
            _query_parameter("text", {"type": "string", "description": TEXT["description"]}, ask["text"]),
            embed | {"content": {"application/json": {"schema": NUMBERS}}},
            _query_parameter("num", NUM, ask["num"]),
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
    return {"summary": "Which encoder and which index answer", "responses": responses}


def _page(_: str) -> Json:
    page = {"description": "HTML", "content": {"text/html": {"schema": {"type": "string"}}}}
    return {"summary": "The page for people", "responses": {"200": page}}


def _answer(schema: str, example: str, description: str = "The answer") -> Json:
    examples = {example: {"$ref": f"#/components/examples/{example}"}}
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": examples}
    return {"description": description, "content": {"application/json": content}}


def _errors(refusal: str | None) -> Json:
    """The error answers of a script, with the example of a refusal if it takes any input."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}}
    retry_after = {"schema": {"type": "string"}, "description": "Seconds"}
    errors: Json = {
        "500": {"description": "Unforeseen; `msg` has the request's id", "content": content},
        "503": {
            "description": "No usable model or index, or the two do not belong together",
            "headers": {"Retry-After": retry_after},
            "content": content,
        },
    }
    if refusal is None:
        return errors
    unusable = _answer("ErrorEnvelope", refusal, "Unusable input; `msg` says what was expected and what came")
    too_large = {"description": "A body or text over the limit", "content": content}
    too_long = {"description": "A query string over 10 KB, answered by the gateway"}
    return {"400": unusable, "413": too_large, "431": too_long} | errors


def _examples() -> Json:
    """What the service answers to EVENTS, here and now."""
    examples: Json = {}
    for name, event in EVENTS.items():
        answer = importlib.import_module(name.removesuffix("_refused")).handler(event, None)
        summary = f"The answer to {json.dumps(event)}"
        examples[name] = {"summary": summary, "value": json.loads(answer["body"])}
    return examples


def _request_body(schema: str, example: Json) -> Json:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"required": True, "content": {"application/json": content}}


def _query_parameter(name: str, schema: Json, example: Any) -> Json:
    return {"in": "query", "name": name, "schema": schema, "example": example}


def _schemas() -> Json:
    strings = {"type": "array", "items": {"type": "string"}}
    quoted = {"type": "string", "description": "Such a list as JSON text, quoted up to 10 times."}
    text, integer = {"type": "string"}, {"type": "integer"}
    by_text = {
        "type": "object",
        "title": "By text",
        "properties": {"text": TEXT, "num": NUM},
        "required": ["text"],
    }
    by_embedding = {
        "type": "object",
        "title": "By embedding",
        "properties": {"embed": {"anyOf": [NUMBERS, quoted]}, "num": NUM, "text": {"enum": [None, ""]}},
        "required": ["embed"],
    }
    match = _object(
        incident_id=integer, similarity={"type": "number", "minimum": -1, "maximum": 1}, title=text, url=text
    )
    index = _object(incidents=integer, built_at=text, encoder=text, version=text)
    described = _object(
        incidents=integer, reports=integer, built_at=text, age_seconds=integer, source=text, version=text
    )
    encoder = _object(name=text, revision=text, fingerprint=text, width=integer, token_limit=integer)
    vector = {"type": "array", "items": {"type": "number"}}
    similar = _object(warnings=strings, msg=text, similar={"type": "array", "items": match}, index=index)
    similar["properties"]["best_url"] = {"type": "string", "description": "Absent when nothing is returned."}
    embed = _object(
        warnings=strings,
        msg={"const": "Success"},
        embedding=_object(vector=vector, from_text_hash={"type": "string", "pattern": "^[0-9a-f]{40}$"}),
    )
    info = _object(warnings=strings, msg={"const": "Success"}, version=text, encoder=encoder, index=described)
    return {
        "SimilarRequest": {"anyOf": [by_text, by_embedding]},
        "EmbedRequest": {"type": "object", "properties": {"text": TEXT}, "required": ["text"]},
        "SimilarEnvelope": _envelope(similar, status={"const": 200}),
        "EmbedEnvelope": _envelope(embed, status={"const": 200}, msg={"const": "Success"}),
        "InfoEnvelope": _envelope(info, status={"const": 200}, msg={"const": "Success"}),
        "ErrorEnvelope": _envelope(_object(warnings=strings, msg=text), status={"enum": [400, 413, 500, 503]}),
    }


def _envelope(body: Json, status: Json, **on_top: Json) -> Json:
    headers = {"type": "object", "additionalProperties": {"type": "string"}}
    return _object(
        isBase64Encoded={"const": False},
        statusCode=status,
        headers=headers,
        multiValueHeaders={"type": "object", "maxProperties": 0},
        body=body,
        **on_top,
    )


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


if __name__ == "__main__":
    sys.exit(main())
