"""Reports, found by their text and by their address."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from incidents.index.reports import NO_URL, Reports, url_key
from incidents.index.sketch import N_HASHES
from incidents.index.strings import Strings

URLS = ["https://www.example.com/a/", "", "http://example.com/b?id=5&utm_source=x", "https://example.com/a"]
HASHES = ["ab" * 20, "ac" * 20, "ab" * 20, "ab" * 19 + "00"]


@pytest.fixture
def reports() -> Reports:
    return Reports(
        numbers=torch.tensor([11, 12, 20, 21]),
        directions=torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]], dtype=torch.float16),
        text_hashes=torch.tensor([list(bytes.fromhex(text_hash)) for text_hash in HASHES], dtype=torch.uint8),
        sketches=torch.zeros(4, N_HASHES, dtype=torch.int32),
        url_keys=torch.tensor([url_key(url) for url in URLS]),
        titles=Strings.pack(["One", "", "Three", "Four"]),
        urls=Strings.pack(URLS),
        dates=Strings.pack(["2025-06-07", "", "", ""]),
    )


def test_a_text_finds_the_reports_with_its_hash(reports: Reports) -> None:
    assert len(reports) == 4
    assert reports.with_text("ab" * 20) == [0, 2]
    assert reports.with_text("ac" * 20) == [1]
    assert reports.with_text("ab" * 19 + "ac") == []


def test_an_address_finds_the_reports_at_it(reports: Reports) -> None:
    assert reports.with_url("example.com/a") == []
    assert reports.with_url("https://example.com/a#top") == [0, 3]
    assert reports.with_url("https://Example.com:443/b/?utm_medium=y&id=5") == [2]
    assert reports.with_url("https://example.com/b?id=6") == []
    assert reports.with_url("") == []  # although a report has none either


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a?x=1&y=2",
        "https://www.example.com/a/?y=2&x=1",
        " HTTPS://EXAMPLE.com/a?x=1&y=2#part ",
        "https://example.com:8443/a?x=1&fbclid=z&y=2&utm_campaign=c&gclid=&smid=tw",
        "https://someone:secret@example.com/a?x=1&y=2",
    ],
)
def test_an_article_has_one_key_under_many_addresses(url: str) -> None:
    assert url_key(url) == url_key("https://example.com/a?x=1&y=2")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a?x=1",
        "https://example.com/a?x=1&y=",
        "https://example.com/A?x=1&y=2",
        "https://m.example.com/a?x=1&y=2",
        "https://example.com/a/b?x=1&y=2",
        "https://example.org/a?x=1&y=2",
    ],
)
def test_other_articles_have_other_keys(url: str) -> None:
    assert url_key(url) != url_key("https://example.com/a?x=1&y=2")


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "example.com/a", "//example.com/a", "ftp://example.com/a", "mailto:someone@example.com", "https://",
        "https:///a", "http://[broken/a", "javascript:alert(1)", "https://example.com", "https://www.example.com/",
    ],
)  # fmt: skip
def test_what_is_no_articles_address_has_no_key(url: str) -> None:
    assert url_key(url) == NO_URL


@pytest.mark.parametrize("url", ["https://a.example/\ud800", "https://a.example/?q=\ud800", "https://\ud800.example/a"])
def test_a_lone_surrogate_in_an_address_is_no_error(url: str) -> None:
    assert -(2**63) <= url_key(url) < 2**63


def test_a_key_never_changes_as_index_files_hold_it() -> None:
    assert url_key("https://example.com/a?x=1&y=2") == -2096017117904011728


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: {"numbers": [11, 12, 20, 21]}, "the reports' numbers to be torch.int64 of shape (n,), got list"),
        (
            lambda reports: {"numbers": reports.numbers[1:]},
            "the reports' directions to be torch.float16 of shape (3, n), got torch.float16 of shape (4, 2)",
        ),
        (
            lambda reports: {"directions": reports.directions.float()},
            "torch.float16 of shape (4, n), got torch.float32",
        ),
        (lambda reports: {"directions": reports.directions[:, 0]}, "shape (4, n), got torch.float16 of shape (4,)"),
        (lambda reports: {"directions": reports.directions / 0}, "expected the reports' directions to be finite"),
        (
            lambda reports: {"text_hashes": reports.text_hashes[:, 1:]},
            "the reports' text_hashes to be torch.uint8 of shape (4, 20), got torch.uint8 of shape (4, 19)",
        ),
        (
            lambda reports: {"sketches": reports.sketches[:3]},
            "the reports' sketches to be torch.int32 of shape (4, 64), got torch.int32 of shape (3, 64)",
        ),
        (lambda _: {"url_keys": None}, "the reports' url_keys to be torch.int64 of shape (4,), got NoneType"),
        (lambda _: {"titles": Strings.pack(["One"])}, "expected 4 titles of reports, got 1"),
        (lambda _: {"urls": Strings.pack([])}, "expected 4 urls of reports, got 0"),
        (lambda _: {"dates": Strings.pack([""] * 5)}, "expected 4 dates of reports, got 5"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    reports: Reports, change: Callable[[Reports], dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared as it is)
        dataclasses.replace(reports, **change(reports))
    assert message in str(caught.value)
