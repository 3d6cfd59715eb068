"""The passages of a text, each short enough to be about one thing."""

import re
from typing import Final

MOST_WORDS: Final = 80
"""In a passage: about what a small encoder reads, and a paragraph of news."""
FEWEST_WORDS: Final = 20
"""A shorter paragraph, such as a heading, belongs to the next one."""
PARAGRAPH: Final = re.compile(r"\n\s*\n|\n")
SENTENCE: Final = re.compile(r"(?<=[.!?…])[\"'\u201d\u2019)]*\s+")


def split_passages(text: str) -> list[str]:
    """Paragraphs, long ones cut between sentences, short ones joined to the next; a text without words has none."""
    passages: list[str] = []
    pending = ""
    for part in _parts(text):
        joined = f"{pending} {part}".strip()
        if pending and len(joined.split()) > MOST_WORDS:
            passages.append(pending)
            joined = part
        pending = joined
        if len(pending.split()) >= FEWEST_WORDS:
            passages.append(pending)
            pending = ""
    if pending and passages and len(pending.split()) < FEWEST_WORDS:
        passages[-1] = f"{passages[-1]} {pending}"
    elif pending:
        passages.append(pending)
    return passages


def _parts(text: str) -> list[str]:
    """Paragraphs of at most MOST_WORDS words, or groups of sentences of longer ones; a longer sentence is cut."""
    parts = []
    for paragraph in PARAGRAPH.split(text):
        if len(paragraph.split()) <= MOST_WORDS:
            parts.append(paragraph.strip())
            continue
        group: list[str] = []
        for sentence in SENTENCE.split(paragraph):
            words = sentence.split()
            if group and len(group) + len(words) > MOST_WORDS:
                parts.append(" ".join(group))
                group = []
            group += words
            while len(group) > MOST_WORDS:
                parts.append(" ".join(group[:MOST_WORDS]))
                group = group[MOST_WORDS:]
        parts.append(" ".join(group))
    return [part for part in parts if part]
