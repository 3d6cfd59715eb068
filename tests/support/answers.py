"""Bodies of /similar in each state that people see, for the command line and the page; their numbers are made up.

Texts, titles and dates are those of the sample, so the service with the sample's index can be asked the same texts.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from scripts.cli.paths import SAMPLE

Body = dict[str, Any]

CALIBRATION: Final[Body] = {
    "n": 364,
    "auroc": 0.91,
    "ece": 0.03,
    "built_at": "2026-11-21T10:00:00+00:00",
    "odds": "equal",
    "known_from": 0.87,
    "known_error": 0.05,
    "new_below": 0.41,
    "new_error": 0.1,
}
TOO_FEW: Final = "The index has 3 reports, too few to tell known from new."
INCIDENTS: Final[dict[int, Body]] = {
    incident["incident_id"]: incident for incident in map(json.loads, SAMPLE.read_text().splitlines())
}


@dataclass(frozen=True)
class State:
    """A text and the body that the service answers it with."""

    text: str
    body: Body


def report(incident_id: int, number: int) -> str:
    """The text of a report of the sample, by its place in its incident from 1 on."""
    return str(INCIDENTS[incident_id]["reports"][number - 1]["text"])


def sentence(incident_id: int, number: int, at: int) -> str:
    """A sentence of a report of the sample, from 1 on."""
    return re.split(r"(?<=\.) ", report(incident_id, number))[at - 1]


def answer(*similar: Body, warnings: tuple[str, ...] = (), **fields: Any) -> Body:
    """The body with these matches; `fields` are what it has besides."""
    index = {"incidents": 67, "built_at": "2026-11-21T10:00:00+00:00", "encoder": "a stand-in for the service"}
    pairs = [(match["similarity"], match["incident_id"]) for match in similar]
    return {"warnings": list(warnings), "msg": str(pairs), "similar": list(similar), "index": index} | fields


def match(incident_id: int, similarity: float, **fields: Any) -> Body:
    """A match as services before verdicts give it; `fields` are what it has besides."""
    url = f"https://incidentdatabase.ai/cite/{incident_id}"
    title = INCIDENTS[incident_id]["title"]
    return {"incident_id": incident_id, "similarity": similarity, "title": title, "url": url} | fields


def hybrid(incident_id: int, relevance: float, similarity: float, number: int, terms: str, passage: str) -> Body:
    """A match with its relevance, and as reason the report with this number, its terms and a passage."""
    incident = INCIDENTS[incident_id]
    why = {"report": reference(number), "terms": terms.split(), "passage": passage}
    known = {"date": incident["date"], "reports": len(incident["reports"]), "why": why}
    return match(incident_id, similarity, relevance=relevance) | known


def reference(number: int, title: str = "", url: str = "", date: str = "") -> Body:
    """A report as answers name it; the sample's have no titles, addresses or dates."""
    return {"number": number, "title": title, "url": url, "date": date}


def verdict(label: str, probability: float, incident_id: int | None = None) -> Body:
    """A verdict that is calibrated."""
    found = {} if incident_id is None else {"incident_id": incident_id}
    return {"label": label, "probability": probability, "calibration": CALIBRATION} | found


CRUISE: Final = "A Cruise robotaxi dragged a pedestrian along a street in San Francisco after another car had hit her."
ENGINE: Final = "A driver died when a Tesla on Autopilot drove into a parked fire engine on a motorway."
DRONES: Final = "A swarm of show drones fell into the crowd at a lake festival after the control program had frozen."
CHATBOTS: Final = (
    (
        "Two chatbots have embarrassed their owners. In London, the delivery firm DPD had to switch off its assistant "
        "after it swore at a customer and wrote a poem about how useless the company was."
    ),
    (
        "Air Canada was ordered by a tribunal to honour a refund that its chatbot had promised to a passenger after "
        "his grandmother's death."
    ),
)

KNOWN: Final = State(
    CRUISE,
    answer(
        hybrid(726, 0.84, 0.6612, 1, "cruise robotaxi dragged francisco", CRUISE),
        hybrid(4, 0.31, 0.3921, 2, "pedestrian", CRUISE),
        hybrid(640, 0.24, 0.3624, 1, "robotaxi", CRUISE),
        verdict=verdict("known", 0.93, 726),
        duplicates=[],
        also=[],
    ),
)
POSSIBLE: Final = State(
    ENGINE,
    answer(
        hybrid(52, 0.46, 0.5312, 2, "autopilot tesla died drove", ENGINE),
        hybrid(353, 0.43, 0.5127, 1, "autopilot driver", ENGINE),
        hybrid(321, 0.38, 0.4633, 2, "tesla driver", ENGINE),
        verdict=verdict("possible", 0.69, 52),
        duplicates=[],
        also=[],
    ),
)
NEW: Final = State(
    DRONES,
    answer(
        hybrid(432, 0.14, 0.2127, 2, "program", DRONES),
        hybrid(2, 0.12, 0.2033, 1, "", DRONES),
        hybrid(126, 0.11, 0.1989, 1, "control", DRONES),
        verdict=verdict("new", 0.07),
        duplicates=[],
        also=[],
    ),
)
ALREADY_IN: Final = State(
    report(4, 2),
    answer(
        hybrid(4, 0.97, 0.9123, 2, "lidar braking crosswalk uber volvo", sentence(4, 2, 2)),
        hybrid(726, 0.35, 0.4514, 3, "pedestrian", sentence(4, 2, 5)),
        hybrid(52, 0.29, 0.4322, 2, "radar", sentence(4, 2, 2)),
        verdict=verdict("known", 0.998, 4),
        duplicates=[{"incident_id": 4, "report": reference(2), "kind": "same_text", "overlap": 1.0}],
        also=[],
    ),
)
ALSO: Final = State(
    "\n\n".join(CHATBOTS),
    answer(
        hybrid(639, 0.61, 0.6541, 1, "canada passenger refund tribunal", CHATBOTS[1]),
        hybrid(631, 0.58, 0.6324, 1, "dpd poem delivery", CHATBOTS[0]),
        hybrid(714, 0.3, 0.4415, 2, "chatbot", CHATBOTS[1]),
        verdict=verdict("possible", 0.76, 639),
        duplicates=[],
        also=[
            {
                "incident_id": 631,
                "title": INCIDENTS[631]["title"],
                "url": "https://incidentdatabase.ai/cite/631",
                "probability": 0.9,
                "passage": CHATBOTS[0],
            }
        ],
    ),
)
NOT_CALIBRATED: Final = State(
    CRUISE,
    answer(
        match(726, 0.5482, relevance=0.61, date="", reports=1),
        warnings=(TOO_FEW,),
        verdict={"label": "possible", "probability": 0.5, "incident_id": 726},
        duplicates=[],
    ),
)
OLD: Final = State(CRUISE, answer(match(726, 0.548221), match(24, 0.416757), match(640, 0.384522)))
"""A service before verdicts."""

STATES: Final = {
    "known": KNOWN,
    "possible": POSSIBLE,
    "new": NEW,
    "already-in": ALREADY_IN,
    "also": ALSO,
    "not-calibrated": NOT_CALIBRATED,
    "old": OLD,
}
