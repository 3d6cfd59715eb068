"""The fields of a request, from the event itself, its body or its query string."""

import json
import math
import re
import reprlib
from typing import Any, Final

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from incidents.errors import InputTooLargeError, InvalidInputError
from incidents.settings import settings

DEFAULT_NUM: Final = 3
COSINE: Final = "cosine"
HYBRID: Final = "hybrid"
MAX_URL_CHARACTERS: Final = 10_000
MAX_QUOTING: Final = 10
"""Maximum levels of JSON quoting around an embedding: clients encode twice, and their proxies again."""


class Request:
    """The validated fields of one event.

    An event comes from an HTTP API (payload format 2.0); in a direct invocation, it is the fields themselves. A text or
    embedding that is null or an empty string counts as missing. `warnings` collects the warnings of the answer.

    Raises:
        InvalidInputError: the event, its body or its query string is invalid.
        InputTooLargeError: the body is longer than MAX_BODY_BYTES.
    """

    def __init__(self, event: Any, warnings: list[str]) -> None:
        if not isinstance(event, dict):
            raise InvalidInputError(f"expected the event to be a JSON object, got {_kind(event)}")
        self.warnings = warnings
        self._sources = (event, _body(event), _query(event))

    def has(self, name: str) -> bool:
        """Whether the request has a field; null and an empty string count as missing."""
        return self._first(name) is not None

    def text(self) -> str | None:
        """The text to embed, or None.

        Raises:
            InvalidInputError: it is not a string.
            InputTooLargeError: it is longer than MAX_TEXT_CHARACTERS.
        """
        text = self._first("text")
        if text is None:
            return None
        if not isinstance(text, str):
            raise InvalidInputError(f"expected `text` to be a string, got {_kind(text)}")
        if len(text) > (limit := settings().max_text_characters):
            raise InputTooLargeError(f"expected a `text` of at most {limit} characters, got {len(text)}")
        return text

    def embed(self) -> list[float] | None:
        """The embedding to rank by, or None; the index checks its width.

        Raises:
            InvalidInputError: it is neither a list of finite numbers nor a string with such a list.
        """
        embed = self._first("embed")
        if embed is None:
            return None
        for _ in range(MAX_QUOTING):
            if not isinstance(embed, str):
                break
            embed = _parse_json("`embed`", embed)
        if not isinstance(embed, list):
            raise InvalidInputError(f"expected `embed` to be a JSON list of numbers, got {_kind(embed)}")
        return [_finite_number(position, value) for position, value in enumerate(embed)]

    def num(self) -> int:
        """The number of incidents to return; below 0 means all.

        An invalid value adds a warning and returns 3. Only the first place with the field is read, even if its value
        is invalid.
        """
        num = next(iter(self._values("num")), DEFAULT_NUM)
        # No more digits, as int() refuses over 4,300.
        if isinstance(num, str) and (whole := re.fullmatch("[+-]?[0-9]{1,4000}", num.strip())):
            num = int(whole[0])
        if not isinstance(num, int) or isinstance(num, bool):
            self.warnings.append(f'Provided value for "num" invalid, using default of {DEFAULT_NUM}.')
            return DEFAULT_NUM
        if num == 0:
            self.warnings.append('No incidents returned, as "num" is 0; a "num" below 0 returns all of them.')
        return num

    def rank(self) -> str:
        """What incidents are ranked by: COSINE, the default, or HYBRID.

        Raises:
            InvalidInputError: it is something else.
        """
        rank = self._first("rank")
        if rank is None:
            return COSINE
        if rank not in (COSINE, HYBRID):
            got = reprlib.repr(rank) if isinstance(rank, str) else _kind(rank)
            raise InvalidInputError(f"expected `rank` to be {COSINE!r} or {HYBRID!r}, got {got}")
        return str(rank)

    def url(self) -> str | None:
        """The address of the article, or None; it is compared with those of the reports and never fetched.

        Raises:
            InvalidInputError: it is not a string.
            InputTooLargeError: it is longer than MAX_URL_CHARACTERS.
        """
        url = self._first("url")
        if url is None:
            return None
        if not isinstance(url, str):
            raise InvalidInputError(f"expected `url` to be a string, got {_kind(url)}")
        if len(url) > MAX_URL_CHARACTERS:
            raise InputTooLargeError(f"expected a `url` of at most {MAX_URL_CHARACTERS} characters, got {len(url)}")
        return url

    def _values(self, name: str) -> list[Any]:
        return [source[name] for source in self._sources if name in source]

    def _first(self, name: str) -> Any:
        return next((value for value in self._values(name) if value not in (None, "")), None)


def _body(event: dict[str, Any]) -> dict[str, Any]:
    """The body's fields; empty without a body."""
    body = event.get("body")
    if isinstance(body, str):
        try:
            decoded = APIGatewayProxyEventV2(event).decoded_body
        except ValueError as error:
            raise InvalidInputError("expected a base64 body to hold UTF-8 text, got something else") from error
        if (size := len((decoded or "").encode("utf-8", "surrogatepass"))) > (limit := settings().max_body_bytes):
            raise InputTooLargeError(f"expected a body of at most {limit} bytes, got {size}")
        body = _parse_json("the body", decoded) if decoded and decoded.strip() else None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise InvalidInputError(f"expected the body to be a JSON object, got {_kind(body)}")
    return body


def _query(event: dict[str, Any]) -> dict[str, Any]:
    """The query string's fields; `text` loses the double quotes that callers copy from the documented example."""
    query = event.get("queryStringParameters")
    if query is None:
        return {}
    if not isinstance(query, dict):
        raise InvalidInputError(f"expected queryStringParameters to be a JSON object or null, got {_kind(query)}")
    text = query.get("text")
    if isinstance(text, str) and len(text) >= 2 and text[0] == text[-1] == '"':
        return query | {"text": text[1:-1]}
    return query


def _parse_json(what: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of over 4,300 digits is a ValueError too
        raise InvalidInputError(f"expected {what} to be JSON, got text that is not: {error}") from error


def _finite_number(position: int, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInputError(f"expected `embed` to hold numbers only, got {_kind(value)} at position {position}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidInputError(f"expected `embed` to hold finite numbers only, got another at position {position}")
    return number


def _kind(value: Any) -> str:
    """The JSON name of a value's type; the value itself may be a private text."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else type(value).__name__)
