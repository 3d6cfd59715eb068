"""A MongoDB server for tests: real clients speak to it over the wire, and mongomock answers.

It speaks OP_MSG as the MongoDB Wire Protocol specification describes it, and the commands that find and write. A
real server is not available where these tests run, and mockupdb, made for this, has had no release since 2021.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock
from typing import Any

import bson
import mongomock
from pymongo.errors import BulkWriteError

from support.servers.thread_server import in_thread

OP_MSG = 2013
OP_QUERY = 2004
OP_REPLY = 1
FIRST_BATCH = 2
"""Documents in the first answer to a find; the rest must be asked for with getMore."""
DATABASE = "aiidprod"

Document = dict[str, Any]


@dataclass
class MongoServer:
    """Its `data` is the database aiidprod; `commands` are those it was sent, but for every connection's own."""

    data: Any = field(default_factory=lambda: mongomock.MongoClient()[DATABASE])
    commands: list[Document] = field(default_factory=list)
    unauthorized: bool = False
    drops: Counter[str] = field(default_factory=Counter)
    """For a collection, so many batches of updates more are answered by a closed connection."""
    refusals: dict[int, list[int]] = field(default_factory=dict)
    """For a report number or incident id, the error codes of its next updates."""
    concern_codes: dict[str, list[int]] = field(default_factory=dict)
    """For a collection, the codes with which its next batches are written, but by too few servers."""
    damaged: bytes = b""
    """A text that is sent with other bytes, of no character, in its place."""
    uri: str = ""
    _rest: dict[int, tuple[str, list[Document]]] = field(default_factory=dict)
    _one_at_a_time: Lock = field(default_factory=Lock)

    def updates(self, *collections: str) -> list[Document]:
        """The single updates it was asked for, of those collections."""
        return [update for command in self.commands if command.get("update") in collections
                for update in command["updates"]]  # fmt: skip

    def answer(self, command: Document) -> Document | None:
        """None: the connection is closed instead."""
        name = next(iter(command))
        if name in ("hello", "isMaster", "ismaster"):
            return {"ok": 1, "isWritablePrimary": True, "maxWireVersion": 21, "minWireVersion": 0, "helloOk": True}
        if name in ("ping", "endSessions"):
            return {"ok": 1}
        with self._one_at_a_time:
            self.commands.append(command)
            return self._execute(name, command)

    def _execute(self, name: str, command: Document) -> Document | None:
        if self.unauthorized:
            return {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized on aiidprod"}
        collection: Any = self.data[command["collection"] if name == "getMore" else command[name]]
        match name:
            case "find":
                found = collection.find(command["filter"], command.get("projection")).limit(command.get("limit", 0))
                reply: Document | None = self._batch("firstBatch", collection.name, list(found))
            case "aggregate":  # what a count of documents is
                reply = self._batch("firstBatch", collection.name, list(collection.aggregate(command["pipeline"])))
            case "getMore":
                reply = self._batch("nextBatch", *self._rest.pop(command["getMore"]))
            case "insert":
                reply = _insert(collection, command["documents"])
            case "update":
                reply = self._update(collection, command["updates"])
            case "delete":
                deletes = [collection.delete_one(delete["q"]) for delete in command["deletes"]]
                reply = {"ok": 1, "n": sum(deleted.deleted_count for deleted in deletes)}
            case _:
                reply = {"ok": 0, "code": 59, "errmsg": f"no such command: {name}"}
        return reply

    def _batch(self, key: str, collection: str, documents: list[Document]) -> Document:
        cursor = 0
        if documents[FIRST_BATCH:]:
            cursor = 1 + len(self.commands)
            self._rest[cursor] = (collection, documents[FIRST_BATCH:])
        namespace = f"{DATABASE}.{collection}"
        return {"ok": 1, "cursor": {"id": bson.Int64(cursor), "ns": namespace, key: documents[:FIRST_BATCH]}}

    def _update(self, collection: Any, updates: list[Document]) -> Document | None:
        if self.drops[collection.name]:
            self.drops[collection.name] -= 1
            return None
        reply: Document = {"ok": 1, "n": 0, "nModified": 0, "writeErrors": []}
        for index, update in enumerate(updates):
            if codes := self.refusals.get(next(iter(update["q"].values()))):
                reply["writeErrors"].append({"index": index, "code": codes.pop(0), "errmsg": "holds a private text"})
                continue
            done = collection.update_one(update["q"], update["u"])
            reply["n"] += done.matched_count
            reply["nModified"] += done.modified_count
        if codes := self.concern_codes.get(collection.name):
            reply["writeConcernError"] = {"code": codes.pop(0), "errmsg": "not on as many as wanted"}
        return reply


@contextmanager
def serving(server: MongoServer) -> Iterator[MongoServer]:
    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):  # of a client that was killed
                while header := self._receive(16):
                    length, request, _, operation = struct.unpack("<iiii", header)
                    body = self._receive(length - 16)
                    if operation == OP_QUERY:  # the first message of a connection
                        reply = server.answer(bson.decode(body[body.index(b"\0", 4) + 9 :]))
                        prefix, operation = struct.pack("<iqii", 8, 0, 0, 1), OP_REPLY
                    else:
                        reply = server.answer(_message(body))
                        prefix = struct.pack("<ib", 0, 0)
                    if reply is None:
                        return
                    content = prefix + bson.encode(reply)
                    if server.damaged:
                        content = content.replace(server.damaged, b"\xff" * len(server.damaged))
                    self.request.sendall(struct.pack("<iiii", 16 + len(content), 1, request, operation) + content)

        def _receive(self, length: int) -> bytes:
            received = b""
            while len(received) < length and (more := self.request.recv(length - len(received))):
                received += more
            return received

    class Server(ThreadingTCPServer):
        daemon_threads = True

    tcp = Server(("127.0.0.1", 0), Handler)
    server.uri = f"mongodb://127.0.0.1:{tcp.server_address[1]}/?directConnection=true"
    with in_thread(tcp):
        yield server


def _message(body: bytes) -> Document:
    """An OP_MSG's command, its document sequences put in their places."""
    command: Document = {}
    rest = memoryview(body)[4:]
    while rest:
        kind, size = rest[0], struct.unpack_from("<i", rest, 1)[0]
        section, rest = bytes(rest[1 : 1 + size]), rest[1 + size :]
        if kind == 0:
            command = bson.decode(section) | command
        else:
            name, documents = section[4:].split(b"\0", 1)
            command[name.decode()] = bson.decode_all(documents)
    return command


def _insert(collection: Any, documents: list[Document]) -> Document:
    try:
        collection.insert_many(documents)
    except BulkWriteError:
        return {"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": 11000, "errmsg": "duplicate key"}]}
    return {"ok": 1, "n": len(documents)}
