"""The form of every answer."""

import json
from typing import Any


def open_answer(answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Check the two envelopes of an answer and return its status and body."""
    assert set(answer) == {"isBase64Encoded", "statusCode", "headers", "body"}
    envelope = json.loads(answer["body"], parse_constant=_refuse)
    on_top = envelope.pop("msg", None)
    assert on_top == ("Success" if envelope["body"]["msg"] == "Success" else None)
    assert set(envelope) == {"isBase64Encoded", "statusCode", "headers", "multiValueHeaders", "body"}
    assert envelope["isBase64Encoded"] is answer["isBase64Encoded"] is False
    assert envelope["statusCode"] == answer["statusCode"]
    assert envelope["headers"] == answer["headers"]
    assert answer["headers"]["Content-Type"] == "application/json"
    assert envelope["multiValueHeaders"] == {}
    assert all(isinstance(warning, str) for warning in envelope["body"]["warnings"])
    assert isinstance(envelope["body"]["msg"], str)
    return answer["statusCode"], envelope["body"]


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
