"""A client of a running service that waits for it as the AI Incident Database's website does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
from tenacity import RetryCallState, retry, retry_if_exception_type, retry_if_result, stop_after_attempt

TIMEOUT_SECONDS: Final = 35
"""API Gateway ends a request after 30 seconds."""
TRIES: Final = 6
"""The website tries as often, without waiting: a cold start can exceed the gateway's limit."""


def last_outcome(state: RetryCallState) -> Any:
    """The answer of the last try, or its error."""
    assert state.outcome is not None
    return state.outcome.result()


class Service:
    """A service behind an HTTP client."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    @retry(
        stop=stop_after_attempt(TRIES),
        retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(lambda answer: answer.status_code >= 500),
        retry_error_callback=last_outcome,
    )
    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer to a request; transport errors and statuses from 500 are tried again."""
        return self.client.request(method, path, **options)

    def body(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """The `body` of an envelope with this status."""
        answer = self.ask(method, path, **options)
        assert answer.status_code == status, answer.text[:200]
        envelope = answer.json()
        assert envelope["statusCode"] == status
        return envelope["body"]


@contextmanager
def service_at(url: str) -> Iterator[Service]:
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
        yield Service(client)
