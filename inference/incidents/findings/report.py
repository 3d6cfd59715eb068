"""A report as answers show it."""

from typing import Any

from incidents.index.reports import Reports


def describe_report(reports: Reports, position: int) -> dict[str, Any]:
    """The number, title, url and date of a report; what is not known is an empty string."""
    return {
        "number": int(reports.numbers[position]),
        "title": reports.titles[position],
        "url": reports.urls[position],
        "date": reports.dates[position],
    }
