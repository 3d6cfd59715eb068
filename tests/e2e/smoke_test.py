"""Ask a running service what its callers ask, and say whether it answers by the contract."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any, Final

import httpx

TEXT: Final = "A robotaxi struck a pedestrian and dragged her along the street."
TIMEOUT_SECONDS: Final = 35
"""API Gateway answers after 30, whatever happens behind it."""
TRIES: Final = 6
"""As many as the AI Incident Database's website makes, without waiting: a first answer may come late."""


class Service:
    """A service at a URL."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer; what failed on the way or timed out behind the gateway is tried again."""
        for _ in range(TRIES - 1):
            try:
                answer = self._client.request(method, path, **options)
            except httpx.TransportError:
                continue
            if answer.status_code < 500:
                return answer
        return self._client.request(method, path, **options)

    def body(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """The `body` of an envelope.

        Raises:
            AssertionError: the status or the envelope is another than expected.
        """
        answer = self.ask(method, path, **options)
        _expect(answer.status_code == status, f"status {status}, got {answer.status_code}: {answer.text[:200]}")
        envelope = answer.json()
        _expect(envelope["statusCode"] == status, f"statusCode {status} in the envelope, got {envelope['statusCode']}")
        return envelope["body"]


def info(service: Service) -> str:
    """/info says what answers."""
    body = service.body("GET", "/info")
    _expect(not body["warnings"], f"no warnings, got {body['warnings']}")
    encoder, index = body["encoder"], body["index"]
    return f"{index['incidents']} incidents, built {index['built_at']} with {encoder['name']} {encoder['revision']}"


def website(service: Service) -> str:
    """The two calls of the AI Incident Database's website, in its words."""
    embedding = service.body("POST", "/text-to-embed", content=json.dumps({"text": TEXT}))["embedding"]
    _expect(len(embedding["from_text_hash"]) == 40, "a hash of 40 digits")
    fields = {"num": "3", "embed": json.dumps(embedding["vector"])}
    message = service.body("POST", "/embed-to-db-similar", content=json.dumps(fields))["msg"]
    pairs = json.loads(message.replace("(", "[").replace(")", "]"))
    _expect(len(pairs) == 3 and pairs == sorted(pairs, reverse=True), f"three incidents, best first, got {message}")
    by_text = service.body("GET", "/similar", params={"text": TEXT})["similar"]
    found = [match["incident_id"] for match in by_text]
    _expect(found == [incident_id for _, incident_id in pairs], f"the same incidents for the text, got {found}")
    return f"closest: {by_text[0]['title']} ({by_text[0]['similarity']:.6f})"


def refusals(service: Service) -> str:
    """What cannot be answered has a status that says so."""
    message = service.body("POST", "/similar", 400, json={})["msg"]
    _expect("expected" in message, f"a message that says what was expected, got {message!r}")
    service.body("POST", "/embed-to-db-similar", 400, json={"embed": [1, 2]})
    unknown = service.ask("GET", "/nothing").status_code
    _expect(unknown == 404, f"404 for an unknown route, got {unknown}")
    return "400 and 404 where they belong"


def page(service: Service) -> str:
    """The page for people is there."""
    answer = service.ask("GET", "/")
    _expect(answer.status_code == 200, f"status 200 for the page, got {answer.status_code}")
    _expect(answer.headers["content-type"].startswith("text/html"), "a page at /")
    return f"{len(answer.content)} bytes"


CHECKS: Final[tuple[Callable[[Service], str], ...]] = (info, website, refusals, page)


def main() -> int:
    """Run the command line; the exit status is 0 when everything is as the contract says, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="the service's address, as `make deploy` prints it: apiUrl")
    service = Service(parser.parse_args().url)
    failed = 0
    for check in CHECKS:
        try:
            print(f"ok      {check.__name__}: {check(service)}")
        except (AssertionError, httpx.HTTPError, KeyError, ValueError) as error:
            failed += 1
            print(f"FAILED  {check.__name__}: {error!r}", file=sys.stderr)
    return 1 if failed else 0


def _expect(holds: bool, expected: str) -> None:
    if not holds:
        raise AssertionError(f"expected {expected}")


if __name__ == "__main__":
    sys.exit(main())
