"""What build_index prints, as tests read it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def refused(status: int, message: str, capsys: pytest.CaptureFixture[str], old: Path | None = None) -> None:
    printed = capsys.readouterr()
    assert (status, printed.out) == (1, "")
    assert re.search("^(No index written|Invalid): .*" + re.escape(message), printed.err, re.MULTILINE | re.DOTALL)
    assert "Traceback" not in printed.err
    if old:
        assert old.read_text() == "the old one"
