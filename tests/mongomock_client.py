"""mongomock in the place of a MongoDB server, of which none can be had where these tests run."""

from typing import Any

import mongomock


class Databases:
    """What stands in for `pymongo.MongoClient`: every client has the same databases."""

    def __init__(self) -> None:
        self.server: Any = mongomock.MongoClient()

    def __getitem__(self, _: object) -> "Databases":  # MongoClient[dict[str, Any]]
        return self

    def __call__(self, _: str) -> "_Client":
        return _Client(self)


class _Client:
    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def __enter__(self) -> "_Client":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getitem__(self, name: str) -> Any:
        return self._databases.server[name]
