"""What is left of a text without its markdown."""

import json
from pathlib import Path

import pytest

from scripts.sources.plain_text import strip_markdown

SAMPLE = Path(__file__).resolve().parents[3] / "sample" / "incidents.jsonl"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("# A *crash* in **Tempe**", "A crash in Tempe"),
        ("Setext\n======\nText", "Setext\n\nText"),
        ('see [the report](https://a.example/b_c "title")', "see the report"),
        ("see [the report][1]\n\n[1]: https://a.example", "see the report"),
        ("<https://a.example>", "https://a.example"),
        ("before ![a *red* car](car.png) after", "before a red car after"),
        ("one\ntwo  \nthree", "one\ntwo\nthree"),
        ("one\n\n\n\ntwo", "one\n\ntwo"),
        ("- one\n- two\n  1. three", "one\n\ntwo\n\n1. three"),
        ("1986. A great year for robots", "1986. A great year for robots"),
        ("2016) One\n\n   more\n\n2017) Another", "2016) One\n\nmore\n\n2017) Another"),
        ("It was in\n\n2016.", "It was in\n\n2016."),
        ("> quoted\n> twice", "quoted\ntwice"),
        ("use `robots.txt`\n\n```py\nx = 1\n```", "use robots.txt\n\nx = 1"),
        ("    an indented paragraph", "an indented paragraph"),
        ("<div>text <b>in</b> tags</div>\n\n<!-- a remark -->", "text in tags"),
        ("a.<br>Police<br/>arrested<p>The</p><p>company</p>", "a.\nPolice\narrested\n\nThe\n\ncompany"),
        ("<table><tr><td>a</td><td>b</td></tr>\n<TR><TD>c</TD></TR></table>", "a\n\nb\n\nc"),
        ('<B>T</B>esla<span class="x">s</span><!-- a remark -->, <i>all</i>', "Teslas, all"),
        ("a<script>let x = 1</script><STYLE>p {\n\n- x: 1 }</STYLE>b", "a\n\nb"),
        ("a <script>is not closed", "a\n\nis not closed"),
        ("`<script>` and `</script>`", "<script> and </script>"),
        ("> " * 101 + "deep *quote*\n\nafter", "deep quote\n\nafter"),
        ("> " * 5000 + "deep\nquote", "deep\nquote"),
        ("> " * 97 + "- deep\n" + "> " * 97 + "  quote", "deep\nquote"),
        ("| a | b |\n|---|---|\n| c | d |", "a\n\nb\n\nc\n\nd"),
        ("~~struck~~ out", "struck out"),
        ("5 \\* 3 &amp; more", "5 * 3 & more"),
        ("one\n\n---\n\ntwo", "one\n\ntwo"),
        ("snake_case, 2 * 3 * 4, f(x)[0], a < b > c, $5", "snake_case, 2 * 3 * 4, f(x)[0], a < b > c, $5"),
        ("unclosed **bold and [link](", "unclosed **bold and [link]("),
        ("", ""),
        (" \n\t\n", ""),
    ],
)
def test_the_words_stay_and_the_marks_go(markdown: str, text: str) -> None:
    assert strip_markdown(markdown) == text


def test_a_text_without_markdown_stays_as_it_is() -> None:
    with SAMPLE.open(encoding="utf-8") as lines:
        texts = [report["text"] for line in lines for report in json.loads(line)["reports"]]
    assert [strip_markdown(text) for text in texts] == texts


def test_what_is_stripped_twice_is_as_after_once() -> None:
    assert strip_markdown(strip_markdown("# A\n\n- *b* <i>c</i>")) == "A\n\nb c"


@pytest.mark.parametrize("mark", ["> ", "- ", "1. "])
@pytest.mark.parametrize("depth", [40, 49, 50, 98, 99, 100, 101, 300])
def test_no_depth_swallows_a_text(mark: str, depth: int) -> None:
    assert strip_markdown(mark * depth + "deep").endswith("deep")
