"""A scripted MongoDB server: enough of the wire protocol for a real client to find what a test put in.

It speaks OP_MSG as the MongoDB Wire Protocol specification describes it. mockupdb, made for this, has had no release
since 2021.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import bson

OP_MSG = 2013
OP_QUERY = 2004
OP_REPLY = 1
FIRST_BATCH = 2
"""Documents in the first answer to a find; the rest must be asked for with getMore."""


@dataclass
class MongoServer:
    """What it has, by collection; and the commands it was sent, but those of every connection."""

    collections: dict[str, list[dict[str, Any]]]
    commands: list[dict[str, Any]] = field(default_factory=list)
    fails: bool = False
    uri: str = ""
    _rest: dict[int, tuple[str, list[dict[str, Any]]]] = field(default_factory=dict)

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        if name in ("hello", "isMaster", "ismaster"):
            return {"ok": 1, "isWritablePrimary": True, "maxWireVersion": 21, "minWireVersion": 0, "helloOk": True}
        if name in ("ping", "endSessions"):
            return {"ok": 1}
        self.commands.append(command)
        if self.fails:
            return {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized on aiidprod"}
        if name == "find":
            fields = command["projection"].keys() - {"_id"}
            found = [
                {key: value for key, value in document.items() if key in fields}
                for document in self.collections.get(command["find"], [])
            ]
            return self._batch("firstBatch", f"{command['$db']}.{command['find']}", found)
        if name == "getMore":
            return self._batch("nextBatch", *self._rest.pop(command["getMore"]))
        return {"ok": 0, "code": 59, "errmsg": f"no such command: {name}"}

    def _batch(self, key: str, namespace: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
        cursor = 0
        if documents[FIRST_BATCH:]:
            cursor = 1 + len(self.commands)
            self._rest[cursor] = (namespace, documents[FIRST_BATCH:])
        return {"ok": 1, "cursor": {"id": bson.Int64(cursor), "ns": namespace, key: documents[:FIRST_BATCH]}}


@contextmanager
def serving(server: MongoServer) -> Iterator[MongoServer]:
    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            while header := self._receive(16):
                length, request, _, operation = struct.unpack("<iiii", header)
                body = self._receive(length - 16)
                if operation == OP_QUERY:  # the first message of a connection
                    document = body[body.index(b"\0", 4) + 9 :]
                    reply = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(server.answer(bson.decode(document)))
                    self._send(OP_REPLY, request, reply)
                else:
                    reply = struct.pack("<ib", 0, 0) + bson.encode(server.answer(bson.decode(body[5:])))
                    self._send(OP_MSG, request, reply)

        def _receive(self, length: int) -> bytes:
            received = b""
            while len(received) < length and (more := self.request.recv(length - len(received))):
                received += more
            return received

        def _send(self, operation: int, request: int, body: bytes) -> None:
            self.request.sendall(struct.pack("<iiii", 16 + len(body), 1, request, operation) + body)

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as tcp:
        server.uri = f"mongodb://127.0.0.1:{tcp.server_address[1]}/?directConnection=true"
        thread = Thread(target=tcp.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        tcp.shutdown()
        thread.join()
