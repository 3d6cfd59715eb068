"""The content of staged incidents in a form that tests compare."""

from scripts.sources.staging import NewReport, StagedIncidents

Content = dict[tuple[int, str], list[tuple[int, str]]]
Metadata = dict[tuple[int, str, str], list[tuple[int, str, str, str]]]


def content(staged: StagedIncidents) -> Content:
    """Incidents as (id, title), each with its reports as (number, text or why it is excluded)."""
    return {
        (incident.incident_id, incident.title): [
            (report.number, report.excluded or report.text) for report in incident.reports
        ]
        for incident in staged.incidents()
    }


def metadata(staged: StagedIncidents) -> Metadata:
    """Incidents as (id, date, url), each with its reports as (number, title, url, date)."""
    return {
        (incident.incident_id, incident.date, incident.url): [
            (report.number, report.title, report.url, report.date) for report in incident.reports
        ]
        for incident in staged.incidents()
    }


def counted(*texts: str) -> list[NewReport]:
    """Reports with these texts, counted from 1."""
    return [NewReport(number, text) for number, text in enumerate(texts, start=1)]
