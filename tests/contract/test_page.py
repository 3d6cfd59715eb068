"""The page as a browser receives it; tests/browser tests how it works."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

import page

EVENTS = [None, {}, {"rawPath": "/", "requestContext": {"http": {"method": "GET"}}}, {"text": "w6"}]


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_gets_the_page(event: object) -> None:
    answer = page.handler(event, None)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert answer["body"] == Path(page.__file__).with_name("page.html").read_text(encoding="utf-8")


def test_the_policy_allows_only_the_pages_own_script_and_style() -> None:
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
