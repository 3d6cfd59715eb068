"""Reading a queue of articles."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.triaging.articles import Article, read_articles

PRIVATE = "what somebody wrote"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file, by default of CSV, and give its path."""

    def write(content: str | bytes, name: str = "queue.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_csv_and_json_lines_give_the_same_articles(write: Write) -> None:
    articles = [
        Article("a", 'Two lines,\n"quoted"', "A title", "https://example.org/1", "2026-01-02"),
        Article("7", "Überall", "", "", ""),
    ]
    csv = 'id,title,text,url,date,notes\na,A title,"Two lines,\n""quoted""",https://example.org/1,2026-01-02,x\n7,,Überall,,,\n'
    lines = [
        {
            "id": "a",
            "title": "A title",
            "text": articles[0].text,
            "url": articles[0].url,
            "date": "2026-01-02",
            "x": [],
        },
        {"id": 7, "text": "Überall", "title": None},
    ]
    json_lines = "".join(json.dumps(line) + "\n" for line in lines)
    assert read_articles(write(csv)) == articles
    assert read_articles(write(json_lines, "queue.jsonl")) == articles
    assert read_articles(write(json_lines, "queue.NDJSON")) == articles


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("name", "content"), [("q.csv", "text\r\nw5 \u2028 w6\r\n"), ("q.jsonl", '{"text": "w5 \u2028 w6"}\r\n')]
)
def test_a_byte_order_mark_and_other_line_ends_are_no_part_of_the_text(
    write: Write, mark: bytes, name: str, content: str
) -> None:
    (article,) = read_articles(write(mark + content.encode(), name))
    assert article.text == "w5 \u2028 w6"


def test_an_article_without_an_id_has_the_number_of_its_first_line(write: Write) -> None:
    csv = 'text\n"one\ntwo"\n\nthree\n'
    assert [(article.id, article.text) for article in read_articles(write(csv))] == [("2", "one\ntwo"), ("5", "three")]
    articles = read_articles(write('{"text": "a"}\n\n{"text": "b", "id": ""}\n', "queue.jsonl"))
    assert [article.id for article in articles] == ["1", "3"]


def test_columns_are_found_in_any_case_and_order(write: Write) -> None:
    (article,) = read_articles(write(" Text , TITLE\nthe text,the title\n"))
    assert article.content == "the title\n\nthe text"


def test_without_a_title_the_text_alone_is_judged() -> None:
    assert Article("1", "the text").content == "the text"


def test_a_text_may_be_longer_than_the_csv_module_reads_by_default(write: Write) -> None:
    (article,) = read_articles(write(f"text\n{'w5 ' * 100_000}\n"))
    assert len(article.text) == 299_999


def test_lone_surrogates_are_dropped(write: Write) -> None:
    (article,) = read_articles(write('{"text": "w5\\ud800"}\n', "queue.jsonl"))
    assert article.text == "w5"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.csv", "", "line 1: expected a header with one column text, got 0 of 0"),
        ("q.csv", f"title;{PRIVATE}\n1;2\n", "line 1: expected a header with one column text, got 0 of 1"),
        ("q.csv", "text,text\na,b\n", "line 1: expected a header with one column text, got 2 of 2"),
        ("q.csv", "text\n", "expected at least one article, got none"),
        ("q.csv", f'id,text\n1,a\n2,"{PRIVATE}\n', "line 3: expected CSV, got something else: unexpected end of data"),
        ("q.csv", f"id,text\n1,a\n2,{PRIVATE}, and more\n", "line 3: expected 2 cells, as in the header, got 3"),
        ("q.csv", "id,text\n1,a\n2\n", "line 3: expected 2 cells, as in the header, got 1"),
        ("q.csv", "id,text\n1,a\n2, \n", "line 3: expected a text, got an empty one"),
        ("q.csv", "id,text\n1,a\n\n1,b\n", "line 4: expected each id once, got the id of line 2 again"),
        ("q.csv", b"text\na\n\xe9\n", "line 3: expected UTF-8, got the byte 0xe9"),
        ("q.jsonl", "", "expected at least one article, got none"),
        ("q.jsonl", '{"text": "a"}\n{"title": "b"}\n', "line 2: expected a text, got none"),
        ("q.jsonl", '{"text": "a"}\n{"text": ""}\n', "line 2: expected a text, got an empty one"),
        ("q.jsonl", '{"text": null}\n', "line 1: expected a text, got an empty one"),
        ("q.jsonl", '{"text": 5}\n', "line 1: expected text to be a string, got int"),
        ("q.jsonl", '{"text": "a", "url": []}\n', "line 1: expected url to be a string, got list"),
        ("q.jsonl", '{"text": "a", "id": true}\n', "line 1: expected id to be a string, got bool"),
        ("q.jsonl", f'{{"text": "{PRIVATE}\n', "line 1: expected a JSON object, got something else: JSONDecodeError"),
        ("q.jsonl", "[" * 100_000, "line 1: expected a JSON object, got something else: RecursionError"),
        ("q.jsonl", f'["{PRIVATE}"]\n', "line 1: expected a JSON object, got JSON of type list"),
        ("q.jsonl", '{"text": "a"}\n{"text": "b", "id": 1}\n', "line 2: expected each id once, got the id of line 1"),
        ("q.xlsx", "", "expected a file named *.csv, *.jsonl, *.ndjson, got q.xlsx"),
    ],
)
def test_another_file_is_refused_by_line_without_a_text(
    write: Write, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        read_articles(write(content, name))
    assert message in str(refused.value)
    assert PRIVATE not in str(refused.value)
