"""What schemathesis has to know of valid calls and cannot read in the document; it loads this file itself."""

from typing import Any

import schemathesis

from incidents.model.text import prepare


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:  # noqa: ARG001 (as schemathesis calls it)
    """Leave out texts of which nothing is left in ASCII, which no JSON Schema can describe."""
    fields = case.body if isinstance(case.body, dict) else case.query or {}
    text = fields.get("text")
    return not isinstance(text, str) or not text or any(character.isprintable() for character in prepare(text))
