"""A verdict in words, for people: what it says about the text, and how far to trust it."""

from typing import Any, Final

NAMES: Final = {"known": "Known", "possible": "Possibly known", "new": "New"}


def describe(verdict: dict[str, Any]) -> list[str]:
    """The lines for the `verdict` of a /similar answer: the decision, and if it is calibrated, what its label means."""
    label, calibration = verdict["label"], verdict.get("calibration")
    decision = NAMES.get(label, label)
    if label == "new":
        decision += ": no known incident matches"
    elif "incident_id" in verdict:
        decision += f": incident {verdict['incident_id']}"
    if calibration is None:
        return [f"{decision}, of unknown probability because the index is not calibrated"]
    probability = format_probability(verdict["probability"])
    decision += f"; the probability of one is {probability}" if label == "new" else f", probability {probability}"
    meaning = _meaning(label, calibration)
    basis = f"Calibrated at equal odds of known and new on {calibration['n']} cases"
    return [decision, f"{basis}: {meaning}" if meaning else basis]


def format_probability(probability: float) -> str:
    """Two decimals, which never read as certainty."""
    if probability >= 0.995:
        return "over 0.99"
    return f"{probability:.2f}" if probability >= 0.005 else "under 0.01"


def _meaning(label: str, calibration: dict[str, Any]) -> str:
    """The label's error rate, or for one between the thresholds, these; empty if the calibration does not say."""
    if label == "known" and (error := calibration.get("known_error")):
        return f"1 in {round(1 / error)} called known is new"
    if label == "new" and (error := calibration.get("new_error")):
        return f"1 in {round(1 / error)} called new is known"
    if label == "possible" and {"known_from", "new_below"} <= calibration.keys():
        return f"known from {calibration['known_from']:.2f}, new below {calibration['new_below']:.2f}"
    return ""
