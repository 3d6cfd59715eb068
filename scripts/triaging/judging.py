"""What the service says about each article."""

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from scripts.triaging.articles import Article
from scripts.triaging.journal import Answer, Journal

MATCHES: Final = 3
"""Incidents that are asked for; the tables have a place for each."""

Service = Callable[[str, dict[str, Any]], dict[str, Any]]
"""The envelope that a Lambda script answers an event with: service(script, event)."""


class UnavailableServiceError(Exception):
    """The service has no usable model or index, so it would refuse every article."""


@dataclass(frozen=True)
class Judgment:
    """An article and the service's answer, or why the service refused the article."""

    article: Article
    answer: Answer | None
    refusal: str = ""


def describe(service: Service) -> str:
    """The version of the service, its index and its encoder: answers of two descriptions must not be mixed.

    Raises:
        UnavailableServiceError: the service has no usable index.
    """
    body = _ask(service, "info", {})["body"]
    return " ".join([body["version"], body["index"]["version"], body["encoder"]["fingerprint"]])


def judge(
    articles: Iterable[Article], service: Service, journal: Journal, judged: Callable[[], None]
) -> list[Judgment]:
    """Judge articles, each once: answers in the journal are taken from there, others are added to it.

    `judged` is called after each. Refusals are not added, as a setting of the service may be their cause.

    Raises:
        UnavailableServiceError: the service has no usable model or index.
        OSError: the journal cannot be written.
    """
    judgments = []
    for article in articles:
        judgments.append(_judge(article, service, journal))
        judged()
    return judgments


def _judge(article: Article, service: Service, journal: Journal) -> Judgment:
    event = {"text": article.content, "url": article.url, "rank": "hybrid", "num": MATCHES}
    key = hashlib.sha256(json.dumps([journal.made_by, event], sort_keys=True).encode()).hexdigest()
    if (known := journal.get(key)) is not None:
        return Judgment(article, known)
    similar = _ask(service, "similar", event)
    if similar["statusCode"] != 200:
        return Judgment(article, None, similar["body"]["msg"])
    embed = _ask(service, "embed", {"text": article.content})  # the encoder still has the vector
    if embed["statusCode"] != 200:
        return Judgment(article, None, embed["body"]["msg"])
    answer = Answer(similar["body"], array("f", embed["body"]["embedding"]["vector"]))
    journal.add(key, answer)
    return Judgment(article, answer)


def _ask(service: Service, script: str, event: dict[str, Any]) -> dict[str, Any]:
    envelope = service(script, event)
    if envelope["statusCode"] == 503:
        raise UnavailableServiceError(envelope["body"]["msg"])
    return envelope
