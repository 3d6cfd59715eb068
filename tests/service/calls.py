"""A rule for valid calls that the document cannot express; schemathesis loads this file."""

from typing import Any

import schemathesis

from incidents.model.text import prepare


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:  # noqa: ARG001 (as schemathesis calls it)
    """Skip texts without content after conversion to ASCII, which JSON Schema cannot describe."""
    fields = case.body if isinstance(case.body, dict) else case.query or {}
    text = fields.get("text")
    return not isinstance(text, str) or not text or any(character.isprintable() for character in prepare(text))
