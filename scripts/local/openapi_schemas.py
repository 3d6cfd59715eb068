"""What requests and answers look like, as JSON schemas for the OpenAPI document."""

import sys
from typing import Any, Final

Json = dict[str, Any]

TEXT: Final[Json] = {
    "type": "string",
    "pattern": r"\S",
    "description": "A text. It is transliterated to ASCII and trimmed before it is embedded; content must remain. "
    "By default at most 200,000 characters are accepted.",
}
NUMBERS: Final[Json] = {
    "type": "array",
    "items": {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max},
    "contains": {"not": {"const": 0}},
    "description": "An embedding: `encoder.width` numbers (see /info), not all of them 0.",
}
NUM: Final[Json] = {
    "default": 3,
    "description": "Number of incidents: an integer, or a string that holds one. A negative number means all. "
    "Any other value gives 3 and a warning.",
}
SHARE: Final[Json] = {"type": "number", "minimum": 0, "maximum": 1}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


CALIBRATION: Final = _object(
    n={"type": "integer", "description": "Cases that it was judged by."},
    auroc=SHARE,
    ece=SHARE | {"description": "Expected calibration error."},
    built_at={"type": "string"},
    odds={"const": "equal", "description": "Known and new are equally probable before looking."},
    known_from=SHARE | {"description": "From this probability on, a text is called known."},
    known_error=SHARE | {"description": "Share of new texts among those called known."},
    new_below=SHARE | {"description": "Below this probability, a text is called new."},
    new_error=SHARE | {"description": "Share of known incidents among texts called new."},
)
RANK: Final[Json] = {
    "enum": ["cosine", "hybrid"],
    "default": "cosine",
    "description": "The order: `cosine`, or `hybrid`, by the closest report and shared words too.",
}
URL: Final[Json] = {
    "type": "string",
    "maxLength": 10_000,
    "description": "The article's address. It is compared with those of the reports and never fetched.",
}


def make_schemas() -> Json:
    """The document's components/schemas."""
    strings = {"type": "array", "items": {"type": "string"}}
    quoted = {"type": "string", "description": "Such a list as JSON text, with up to 10 levels of quoting."}
    text, integer = {"type": "string"}, {"type": "integer"}
    by_text = {
        "type": "object",
        "title": "By text",
        "properties": {"text": TEXT, "num": NUM, "rank": RANK, "url": URL},
        "required": ["text"],
    }
    by_embedding = {
        "type": "object",
        "title": "By embedding",
        "properties": {
            "embed": {"anyOf": [NUMBERS, quoted]},
            "num": NUM,
            "rank": RANK,
            "url": URL,
            "text": {"enum": [None, ""]},
        },
        "required": ["embed"],
    }
    report = _object(number=integer, title=text, url=text, date=text)
    match = _object(
        incident_id=integer, similarity={"type": "number", "minimum": -1, "maximum": 1}, title=text, url=text
    )
    match["properties"] |= {
        "relevance": SHARE | {"description": "With `hybrid`: what the order follows."},
        "date": text,
        "reports": integer,
        "why": _object(report=report, terms=strings, passage=text),
    }
    index = _object(incidents=integer, built_at=text, encoder=text, version=text)
    described = _object(
        incidents=integer, reports=integer, built_at=text, age_seconds=integer, source=text, version=text
    )
    encoder = _object(name=text, revision=text, fingerprint=text, width=integer, token_limit=integer)
    vector = {"type": "array", "items": {"type": "number"}}
    similar = _object(warnings=strings, msg=text, similar=_list_of(match), index=index)
    similar["properties"]["best_url"] = {"type": "string", "description": "Absent when nothing is returned."}
    similar["properties"] |= {"verdict": _verdict(), "also": _list_of(_also())}
    similar["properties"]["duplicates"] = _list_of(_duplicate(report))
    embed = _object(
        warnings=strings,
        msg={"const": "Success"},
        embedding=_object(vector=vector, from_text_hash={"type": "string", "pattern": "^[0-9a-f]{40}$"}),
    )
    info = _object(warnings=strings, msg={"const": "Success"}, version=text, encoder=encoder, index=described)
    info["properties"]["calibration"] = CALIBRATION
    return {
        "SimilarRequest": {"anyOf": [by_text, by_embedding]},
        "EmbedRequest": {"type": "object", "properties": {"text": TEXT}, "required": ["text"]},
        "SimilarEnvelope": _envelope(similar, status={"const": 200}),
        "EmbedEnvelope": _envelope(embed, status={"const": 200}, msg={"const": "Success"}),
        "InfoEnvelope": _envelope(info, status={"const": 200}, msg={"const": "Success"}),
        "ErrorEnvelope": _envelope(_object(warnings=strings, msg=text), status={"enum": [400, 413, 500, 503]}),
    }


def _verdict() -> Json:
    label = {"enum": ["known", "possible", "new"]}
    verdict = _object(label=label, probability=SHARE | {"description": "That a known incident is meant."})
    verdict["properties"] |= {"incident_id": {"type": "integer", "description": "Absent if new."}}
    verdict["properties"] |= {"calibration": CALIBRATION}
    return verdict


def _duplicate(report: Json) -> Json:
    kind = {"enum": ["same_text", "near_text", "same_url"]}
    overlap = SHARE | {"description": "The share of common word triples."}
    return _object(incident_id={"type": "integer"}, report=report, kind=kind, overlap=overlap)


def _also() -> Json:
    text = {"type": "string"}
    return _object(incident_id={"type": "integer"}, title=text, url=text, probability=SHARE, passage=text)


def _list_of(items: Json) -> Json:
    return {"type": "array", "items": items}


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
