"""The service's log, captured."""

import io
import json
from typing import Any


class Log(io.StringIO):
    """Takes what the service logs."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The entries of the log; each is one line of JSON."""
        return [json.loads(line) for line in self.getvalue().splitlines()]
