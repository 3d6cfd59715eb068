"""The text of a report without its markdown: this is what is embedded, for every source."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

BLOCK_END: Final = "\0"
"""CommonMark never allows this character in a text."""
TAG: Final = re.compile(r"<(/?)([a-z][a-z0-9-]*)", re.IGNORECASE)
UNBROKEN: Final = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "mark", "q", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u", "var", "wbr",
}  # fmt: skip
"""Elements within a word or a sentence (HTML Living Standard, sections 4.5 and 4.7); others end a block."""
UNSEEN: Final = ("script", "style")
MAX_NESTING: Final = 100
"""Deepest nesting of quotes and lists; markdown-it drops what is deeper, and without a bound it would recurse."""


def strip_markdown(text: str) -> str:
    """The words of `text`, blocks a blank line apart: no marks, link targets or HTML tags.

    The description of an image and the numbers of an ordered list stay: "1986. A great year" is such a list, too.
    """
    words = "".join(map(_words, _seen(list(_leaves(_MARKDOWN.parse(text))))))
    blocks = (block.strip() for block in words.split(BLOCK_END))
    return "\n\n".join(block for block in blocks if block)


def _leaves(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        if token.children:
            yield from _leaves(token.children)
        else:
            yield token


def _seen(tokens: list[Token]) -> Iterator[Token]:
    """All tokens but those within a script or a style sheet; a tag that is never closed does not begin one."""
    tags = [TAG.match(token.content) if token.type == "html_inline" else None for token in tokens]
    last_closing = {tag[2].lower(): position for position, tag in enumerate(tags) if tag and tag[1]}
    within = ""
    for position, (token, tag) in enumerate(zip(tokens, tags, strict=True)):
        closes, name = (bool(tag[1]), tag[2].lower()) if tag else (False, "")
        if closes and name == within:
            within = ""
        if within:
            continue
        yield token
        if not closes and name in UNSEEN and position < last_closing.get(name, 0):
            within = name


def _words(token: Token) -> str:
    match token.type:
        case "softbreak" | "hardbreak":
            return "\n"
        case "list_item_open" if token.info:
            return f"{token.info}{token.markup} "
        case "html_inline":
            tag = TAG.match(token.content)
            name = tag[2].lower() if tag else ""
            if name == "br":
                return "\n"
            return BLOCK_END if name and name not in UNBROKEN else ""
    return token.content + (BLOCK_END if token.block and token.nesting <= 0 else "")


def _keep_the_deepest(state: StateBlock, start_line: int, end_line: int, _: bool) -> bool:
    """Make one paragraph of lines that are nested so deep that markdown-it would drop them."""
    if state.level < MAX_NESTING - 2:  # a list nests by two
        return False
    content = state.getLines(start_line, end_line, state.blkIndent, False)
    state.push("paragraph_open", "p", 1)
    inline = state.push("inline", "", 0)
    inline.content, inline.children = re.sub(r"^[\s>]+", "", content, flags=re.MULTILINE), []
    state.push("paragraph_close", "p", -1)
    state.line = end_line
    return True


# Articles are indented for many reasons, so four spaces do not mean code; text between HTML tags is text.
_MARKDOWN: Final = (
    MarkdownIt("commonmark", {"maxNesting": MAX_NESTING})
    .enable(["table", "strikethrough"])
    .disable(["code", "html_block"])
)
_MARKDOWN.block.ruler.before("table", "deepest", _keep_the_deepest)
