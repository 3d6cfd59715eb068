"""The AI Incident Database in small, as the refresh finds it and leaves it."""

import copy
from itertools import chain
from typing import Any

from support.servers.mongo_server import MongoServer

INCIDENTS = [
    {"incident_id": 1, "title": "One", "reports": [10, 11], "editor": "kept"},
    {"incident_id": 2, "title": "Two", "reports": [20]},
    {"incident_id": 3, "title": "Three", "reports": [30, 11], "editor_dissimilar_incidents": [1]},
    {"incident_id": 4, "title": "Four", "reports": [40]},
    {"incident_id": 5, "title": "Five", "reports": []},
]
REPORTS = [{"report_number": number, "text": f"**w{number}** w5", "title": "kept"} for number in (10, 11, 20, 30, 40)]


class Database:
    """What is in the server, and what was written to it."""

    def __init__(self, server: MongoServer) -> None:
        self.server = server
        self.reset()

    def reset(self) -> None:
        """As it was before any run."""
        for name, documents in (("incidents", INCIDENTS), ("reports", REPORTS)):
            self.server.data[name].delete_many({})
            self.server.data[name].insert_many(copy.deepcopy(documents))

    @property
    def updates(self) -> list[str]:
        return [
            f"{collection} {next(iter(update['q'].values()))}: {', '.join(chain(*update['u'].values()))}"
            for collection in ("reports", "incidents")
            for update in self.server.updates(collection)
        ]

    def incident(self, incident_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.server.data["incidents"].find_one({"incident_id": incident_id}, {"_id": False})
        return found

    def report(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.server.data["reports"].find_one({"report_number": number}, {"_id": False})
        return found

    def edit(self, collection: str, which: dict[str, Any], **fields: Any) -> None:
        assert self.server.data[collection].update_one(which, {"$set": fields}).matched_count == 1

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        read = self.server.data
        return {name: sorted(read[name].find({}, {"_id": False}), key=str) for name in ("incidents", "reports")}
