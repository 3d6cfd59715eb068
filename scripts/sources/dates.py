"""Dates of incidents and reports, as the index keeps them."""

from datetime import datetime


def iso_date(text: str) -> str:
    """The day of an ISO 8601 date or time as YYYY-MM-DD, in the time zone that it is written in; "" for other texts."""
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        return ""
