"""The page as a browser gets it; how it works in one is in tests/browser."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

import page

EVENTS = [None, {}, {"rawPath": "/", "requestContext": {"http": {"method": "GET"}}}, {"text": "w6"}]


@pytest.mark.parametrize("event", EVENTS)
def test_the_page_is_given_whatever_is_asked(event: object) -> None:
    answer = page.handler(event, None)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert answer["body"] == Path(page.__file__).with_name("page.html").read_text(encoding="utf-8")


def test_a_browser_is_told_to_run_and_to_load_nothing_else() -> None:
    answer = page.handler({}, None)
    policy = answer["headers"]["Content-Security-Policy"]
    sources = dict(directive.split(" ", 1) for directive in policy.split("; "))
    assert sources["default-src"] == "'none'"
    assert sources["connect-src"] == "'self'"
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*)</{tag}>", answer["body"], flags=re.DOTALL)
        digest = hashlib.sha256(content.encode()).digest()
        assert sources[f"{tag}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
