"""The result for each article, as a line of JSON and as the cells of a table.

The service's answer may lack `verdict`, `duplicates`, `also`, `why` and `relevance`: what it lacks stays empty.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scripts.triaging.articles import Article
from scripts.triaging.judging import Judgment

COLUMNS: Final = (
    "id", "title", "url", "date", "label", "probability",
    "incident_id", "incident_title", "incident_url", "similarity", "relevance",
    "second_id", "second_title", "third_id", "third_title",
    "already_in", "also", "same_event", "warnings", "error",
)  # fmt: skip
REFUSED: Final = "refused"
"""The label of an article that the service refused."""
NO_VERDICT: Final = "no verdict"
"""The label where the service's answer has no verdict."""


@dataclass(frozen=True)
class Result:
    """An article with the service's answer to it, and the ids of the file's other articles about the same event."""

    article: Article
    body: Mapping[str, Any]
    error: str
    same_event: Sequence[str]

    @property
    def label(self) -> str:
        """known, possible, new, REFUSED or NO_VERDICT."""
        return REFUSED if self.error else self.verdict.get("label", NO_VERDICT)

    @property
    def verdict(self) -> Mapping[str, Any]:
        """The service's verdict; empty without one."""
        return self.body.get("verdict") or {}

    @property
    def matches(self) -> list[dict[str, Any]]:
        """The best incidents; if the verdict names one of them, it is the first."""
        meant = self.verdict.get("incident_id")
        return sorted(self.body.get("similar", []), key=lambda match: match["incident_id"] != meant)

    def as_json(self) -> dict[str, Any]:
        """Everything but the article's text."""
        article = self.article
        return {
            "id": article.id,
            "title": article.title,
            "url": article.url,
            "date": article.date,
            "label": self.label,
            "probability": self.verdict.get("probability"),
            "verdict": self.body.get("verdict"),
            "similar": self.matches,
            "duplicates": self.body.get("duplicates", []),
            "also": self.body.get("also", []),
            "same_event": list(self.same_event),
            "warnings": self.body.get("warnings", []),
            "error": self.error,
        }

    def as_cells(self) -> list[str]:
        """One cell for each of COLUMNS; lists are joined by semicolons, numbers have four decimals."""
        article = self.article
        best, second, third = [*self.matches, {}, {}, {}][:3]
        return [
            article.id, article.title, article.url, article.date, self.label, _number(self.verdict, "probability"),
            _text(best, "incident_id"), _text(best, "title"), _text(best, "url"),
            _number(best, "similarity"), _number(best, "relevance"),
            _text(second, "incident_id"), _text(second, "title"), _text(third, "incident_id"), _text(third, "title"),
            "; ".join(map(_describe, self.body.get("duplicates", []))),
            "; ".join(_text(incident, "incident_id") for incident in self.body.get("also", [])),
            "; ".join(self.same_event), " ".join(self.body.get("warnings", [])), self.error,
        ]  # fmt: skip


def make_results(judgments: Sequence[Judgment], events: Sequence[Sequence[int]]) -> list[Result]:
    """The results in the order of the file; `events` has the positions of the articles of each event."""
    others: dict[int, list[int]] = {}
    for event in events:
        others |= {member: [other for other in event if other != member] for member in event}
    return [
        Result(
            judgment.article,
            judgment.answer.body if judgment.answer else {},
            judgment.refusal,
            [judgments[other].article.id for other in others[position]],
        )
        for position, judgment in enumerate(judgments)
    ]


def count(results: Sequence[Result], events: Sequence[Sequence[int]]) -> dict[str, int]:
    """How many articles have which label; how many are already in; how many events have a group of them."""
    labels = Counter(result.label for result in results)
    counts = {"articles": len(results)} | {label: labels[label] for label in ("known", "possible", "new")}
    counts |= {label: labels[label] for label in (NO_VERDICT, REFUSED) if labels[label]}
    counts["already in"] = sum(bool(result.body.get("duplicates")) for result in results)
    counts["groups"] = sum(len(event) > 1 for event in events)
    return counts


def _text(fields: Mapping[str, Any], name: str) -> str:
    return str(fields.get(name, ""))


def _number(fields: Mapping[str, Any], name: str) -> str:
    return f"{fields[name]:.4f}" if name in fields else ""


def _describe(duplicate: Mapping[str, Any]) -> str:
    report = duplicate.get("report", {})
    return f"incident {duplicate['incident_id']}, report {report.get('number', '')} ({duplicate['kind']})"
