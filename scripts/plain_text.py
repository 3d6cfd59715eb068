"""The text of a report without its markdown: what is embedded, whatever source it came from."""

from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Articles are indented for many reasons, so four spaces are no code; and what stands between HTML tags is text.
_MARKDOWN: Final = (
    MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"]).disable(["code", "html_block"])
)


def strip_markdown(text: str) -> str:
    """The words of `text`, blocks a blank line apart: no marks, link targets or HTML tags; an image's description."""
    blocks = [_words(token).strip() for token in _MARKDOWN.parse(text)]
    return "\n\n".join(block for block in blocks if block)


def _words(token: Token) -> str:
    if token.children:
        return "".join(map(_words, token.children))
    if token.type in ("softbreak", "hardbreak"):
        return "\n"
    return "" if token.type == "html_inline" else token.content
