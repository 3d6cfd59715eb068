"""The content of staged incidents in a form that tests compare."""

from scripts.sources.staging import StagedIncidents

Content = dict[tuple[int, str], list[tuple[int, str]]]


def content(staged: StagedIncidents) -> Content:
    """Incidents as (id, title), each with its reports as (number, text or why it is excluded)."""
    return {
        (incident.incident_id, incident.title): [
            (report.number, report.excluded or report.text) for report in incident.reports
        ]
        for incident in staged.incidents()
    }
