"""Bad input, at the handlers: every kind is answered with 400 or 413, and with what was expected.

tests/contract/test_http.py and tests/runtime send only samples of it.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embed
import similar
from support.envelope import open_answer

pytestmark = pytest.mark.usefixtures("service")

EMBED = [0.5] * 32


def ask(event: Any) -> tuple[int, dict[str, Any]]:
    return open_answer(similar.handler(event, None))


def post(fields: Any) -> dict[str, Any]:
    return {"body": fields if isinstance(fields, str) else json.dumps(fields)}


def in_base64(content: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}


NO_CONTENT = "expected text with content; nothing remained after conversion to ASCII and trimming"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({}, "expected a `text` or an `embed`, in the body or the query string, got neither"),
        ({"text": ""}, "got neither"),
        (post({"text": ""}), "got neither"),
        ({"text": None, "embed": None}, "got neither"),
        ({"queryStringParameters": {"text": '""'}}, "got neither"),
        ({"text": " \n"}, NO_CONTENT),
        ({"text": "\ud800"}, NO_CONTENT),
        ({"text": 5}, "expected `text` to be a string, got a number"),
        ({"text": ["w6"]}, "expected `text` to be a string, got a list"),
        (None, "expected the event to be a JSON object, got null"),
        ([{"text": "w6"}], "expected the event to be a JSON object, got a list"),
        ("w6", "expected the event to be a JSON object, got a string"),
        ({"queryStringParameters": "text=w6"}, "expected queryStringParameters to be a JSON object or null"),
        (post("w6"), "expected the body to be JSON, got text that is not"),
        (post("text=w6"), "expected the body to be JSON, got text that is not"),
        (post('{"text": '), "expected the body to be JSON"),
        (post('["w6"]'), "expected the body to be a JSON object, got a list"),
        (post([]), "expected the body to be a JSON object, got a list"),
        (post("5"), "expected the body to be a JSON object, got a number"),
        (post("[" * 100_000), "expected the body to be JSON"),
        (post('{"num": ' + "9" * 5000 + "}"), "expected the body to be JSON"),
        ({"body": 5}, "expected the body to be a JSON object, got a number"),
        ({"body": "a", "isBase64Encoded": True}, "expected a base64 body to hold UTF-8 text"),
        (in_base64(b"\xff\xfe"), "expected a base64 body to hold UTF-8 text"),
        (in_base64(b'{"text": "\xff"}'), "expected a base64 body to hold UTF-8 text"),
        ({"embed": "w6"}, "expected `embed` to be JSON, got text that is not"),
        ({"embed": "[1, 2"}, "expected `embed` to be JSON, got text that is not"),
        ({"embed": "[" * 100_000}, "expected `embed` to be JSON"),
        ({"embed": "5"}, "expected `embed` to be a JSON list of numbers, got a number"),
        ({"embed": {}}, "expected `embed` to be a JSON list of numbers, got an object"),
        ({"embed": {"vector": EMBED}}, "expected `embed` to be a JSON list of numbers, got an object"),
        ({"embed": ["a"]}, "expected `embed` to hold numbers only, got a string at position 0"),
        ({"embed": [EMBED]}, "expected `embed` to hold numbers only, got a list at position 0"),
        ({"embed": [*EMBED[1:], "1"]}, "expected `embed` to hold numbers only, got a string at position 31"),
        ({"embed": [*EMBED[1:], True]}, "expected `embed` to hold numbers only, got a boolean at position 31"),
        ({"embed": [*EMBED[1:], None]}, "expected `embed` to hold numbers only, got null at position 31"),
        ({"embed": json.dumps([*EMBED[1:], float("nan")])}, "expected `embed` to hold finite numbers only"),
        ({"embed": json.dumps([*EMBED[1:], float("-inf")])}, "expected `embed` to hold finite numbers only"),
        (post('{"embed": "[NaN]"}'), "expected `embed` to hold finite numbers only"),
        (post('{"embed": [1e999]}'), "expected `embed` to hold finite numbers only"),
        ({"embed": [*EMBED[1:], 10**400]}, "expected `embed` to hold finite numbers only"),
        ({"embed": [0.0] * 32}, "not all zero"),
        ({"embed": []}, "expected an embedding of 32 numbers, got 0"),
        ({"embed": EMBED[1:]}, "expected an embedding of 32 numbers, got 31"),
        ({"embed": [*EMBED, 0.5]}, "expected an embedding of 32 numbers, got 33"),
    ],
)
def test_bad_input_is_answered_with_400_and_what_was_expected(event: Any, message: str) -> None:
    status, body = ask(event)
    assert status == 400
    assert message in body["msg"]
    assert "similar" not in body


def test_an_embedding_quoted_eleven_times_is_refused() -> None:
    value: Any = EMBED
    for _ in range(11):
        value = json.dumps(value)
    status, body = ask({"embed": value})
    assert (status, body["msg"]) == (400, "expected `embed` to be a JSON list of numbers, got a string")


@pytest.mark.parametrize(
    "event", [{}, {"text": ""}, {"text": None}, {"embed": [1.0] * 32}, {"body": "{}"}, post({"embed": [1]})]
)
def test_embed_without_a_text_is_answered_with_400(event: dict[str, Any]) -> None:
    status, body = open_answer(embed.handler(event, None))
    assert (status, body["msg"]) == (400, "expected a `text`, in the body or the query string, got none")


def test_errors_carry_warnings_too() -> None:
    assert ask({"num": "many"})[1]["warnings"] == ['Provided value for "num" invalid, using default of 3.']


# Too large


def test_a_text_over_the_limit_is_answered_with_413(configure: Callable[..., None], tiny_folder: Path) -> None:
    configure(MODEL_PATH=tiny_folder, MAX_TEXT_CHARACTERS="5")
    status, body = ask({"text": "w6 w66"})
    assert (status, body["msg"]) == (413, "expected a `text` of at most 5 characters, got 6")


def test_the_limit_is_200000_characters() -> None:
    assert ask({"text": "w6 " * 66_666 + "w6"})[0] == 200
    assert ask({"text": "w6 " * 66_667})[0] == 413


def test_a_body_over_the_limit_is_answered_with_413(configure: Callable[..., None], tiny_folder: Path) -> None:
    configure(MODEL_PATH=tiny_folder, MAX_BODY_BYTES="20")
    status, body = ask({"body": '{"text": "w6 w6 wö"}'})  # 20 characters, 21 bytes
    assert (status, body["msg"]) == (413, "expected a body of at most 20 bytes, got 21")
    assert ask(in_base64(b'{"text": "w6 w6 w6" }'))[0] == 413
