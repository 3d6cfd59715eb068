"""Many concurrent clients on one machine: no request fails, and memory does not grow."""

import asyncio
import json
import statistics
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import pytest

from scripts.cli.paths import MODEL_FOLDER, SAMPLE
from support.servers.server import serve

CONNECTIONS = 200
REQUESTS = 2000
WINDOW = 500
MAX_GROWTH_MIB = 16
"""Maximum growth between the second and the last WINDOW requests. During the first, buffers and kept embeddings take
about 20 MiB; nothing grows after that."""

Call = tuple[str, str, dict[str, Any], int]


def calls() -> list[Call]:
    """REQUESTS calls of mixed kinds, each with its expected status; few texts repeat."""
    with SAMPLE.open(encoding="utf-8") as lines:
        texts = [report["text"] for line in lines for report in json.loads(line)["reports"]]
    embed = json.dumps([0.5] * 384)
    mixed: list[Call] = []
    for number in range(REQUESTS // 10):
        text = f"{number} {texts[number % len(texts)]}"
        mixed += [
            ("POST", "/similar", {"json": {"text": text}}, 200),
            ("GET", "/similar", {"params": {"text": text[:200], "num": "5"}}, 200),
            ("POST", "/text-to-embed", {"json": {"text": text}}, 200),
            ("POST", "/embed-to-db-similar", {"json": {"num": "3", "embed": embed}}, 200),
            ("POST", "/similar", {"json": {"text": text * 20, "num": -1}}, 200),
            ("GET", "/info", {}, 200),
            ("GET", "/", {}, 200),
            ("POST", "/similar", {"content": "not JSON"}, 400),
            ("POST", "/similar", {"json": {"embed": [1]}}, 400),
            ("GET", "/nothing", {}, 404),
        ]
    return mixed


async def load(url: str, pid: int) -> tuple[list[float], list[float]]:
    """Make the calls, CONNECTIONS at a time; return each one's seconds and the server's memory after it, in MiB."""
    queue = iter(calls())
    seconds: list[float] = []
    memory: list[float] = []

    async def work(client: httpx.AsyncClient) -> None:
        for method, path, options, expected in queue:
            start = perf_counter()
            response = await client.request(method, path, **options)
            seconds.append(perf_counter() - start)
            assert response.status_code == expected, response.text
            memory.append(resident_mib(pid))

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        await asyncio.gather(*(work(client) for _ in range(CONNECTIONS)))
    return seconds, memory


def resident_mib(pid: int) -> float:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def test_two_hundred_connections_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCODER_THREADS", "1")  # on a shared machine, two would wait for each other
    assert (MODEL_FOLDER / "incident_cls.pt").is_file(), "the index is missing; `make index` builds it"
    with serve() as server:
        seconds, memory = asyncio.run(load(server.url, server.process.pid))
    first, last = max(memory[WINDOW : 2 * WINDOW]), max(memory[-WINDOW:])
    percentiles = statistics.quantiles(seconds, n=100)
    print(f"\n{len(seconds)} requests: p50 {percentiles[49]:.3f} s, p99 {percentiles[98]:.3f} s")
    print(f"memory: {first:.1f} MiB in the second {WINDOW}, {last:.1f} MiB in the last")
    assert len(seconds) == REQUESTS
    assert last - first < MAX_GROWTH_MIB
