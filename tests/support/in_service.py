"""Questions to the service about the index that is in service."""

from typing import Any

import info
import similar
from support.envelope import open_answer

EMBED = [1.0] * 32
BY_EMBEDDING = {"embed": EMBED, "num": -1}
BY_TEXT = {"text": "w6", "num": -1}


def ids(event: dict[str, Any] = BY_EMBEDDING) -> list[int]:
    """The ids of all incidents that the service ranks."""
    status, body = open_answer(similar.handler(event, None))
    assert status == 200, body["msg"]
    assert len(body["similar"]) == body["index"]["incidents"]
    return sorted(match["incident_id"] for match in body["similar"])


def warnings() -> list[str]:
    """The warnings of /info, which report a failed check for a newer index."""
    status, body = open_answer(info.handler({}, None))
    assert status == 200
    found: list[str] = body["warnings"]
    return found
