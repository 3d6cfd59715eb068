"""Steady requests to two containers on one cache, while indexes are published and S3 and the cache fail at random.

The containers are the real Lambda runtime under the emulator. FRESHNESS_SECONDS is the duration.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import pytest
from filelock import FileLock

from support.servers.faulty_proxy import FAULTS, FaultyProxy
from support.servers.lambda_runtime import LambdaRuntime, lambda_runtime

SECONDS = float(os.environ.get("FRESHNESS_SECONDS") or 60)
N_CONTAINERS = 2
CACHE_MIB = 4
"""The cache's size: it has room for two indexes and is soon full."""
MAX_GROWTH_MIB = 16
"""Maximum growth of a container's memory, from the first fifth of the run to the last."""


@pytest.fixture
def small_cache(environment: dict[str, str]) -> Iterator[Path]:
    """A separate file system for the cache, so that tests can fill it."""
    cache = Path(environment["TRANSFORMERS_CACHE"])
    files = [(path.name, path.readlink()) for path in (cache / "model" / "tiny").iterdir()]
    mount = ["mount", "-t", "tmpfs", "-o", f"size={CACHE_MIB}m", "tmpfs", str(cache)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a file system for the cache")
    (cache / "model" / "tiny").mkdir(parents=True)
    for name, target in files:
        (cache / "model" / "tiny" / name).symlink_to(target)
    yield cache
    subprocess.run(["umount", "--lazy", str(cache)], check=True)


def break_the_cache(cache: Path, seconds: float) -> None:
    """Fill the cache, or hold its lock, for a while."""
    if random.random() < 0.5:
        with FileLock(cache / "model" / ".incident_cls.pt.lock"):
            sleep(seconds)
        return
    filler = cache / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:  # full
        sleep(seconds)
    filler.unlink()


class Run:
    """The threads that publish and inject faults until they are stopped."""

    def __init__(self, publish: Callable[[int, int], None], proxy: FaultyProxy, cache: Path) -> None:
        self.generation = 0
        self.faults: Counter[str] = Counter()
        self._publish, self._proxy, self._cache = publish, proxy, cache
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._publisher, self._fault_injector)]

    def start(self) -> None:
        self.publish()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._proxy.fault = "none"

    def publish(self) -> None:
        self._publish(self.generation + 1, random.randrange(50, 5000))
        self.generation += 1

    def _publisher(self) -> None:
        while not self._stopped.wait(random.uniform(1, 4)):
            self.publish()

    def _fault_injector(self) -> None:
        while not self._stopped.wait(random.uniform(0, 4)):
            if random.randrange(len(FAULTS) + 1) == 0:
                self.faults["cache"] += 1
                break_the_cache(self._cache, random.uniform(0.5, 3))
            else:
                self._proxy.fault = random.choice(FAULTS)
                self.faults[self._proxy.fault] += 1
                self._stopped.wait(random.uniform(0.5, 4))
                self._proxy.fault = "none"


def ask(runtime: LambdaRuntime) -> int:
    """Ask for all incidents, check that they are from one index, and return its generation."""
    event = random.choice([{"text": f"w{random.randrange(4, 60)}", "num": -1}, {"embed": [1.0] * 32, "num": "-1"}])
    answer = json.loads(runtime.invoke(event))
    assert answer["statusCode"] == 200, answer
    body = json.loads(answer["body"])["body"]
    generation: int = body["similar"][0]["incident_id"] // 1_000_000
    assert {match["incident_id"] // 1_000_000 for match in body["similar"]} == {generation}
    assert {match["title"] for match in body["similar"]} == {f"of {generation}"}
    assert len(body["similar"]) == body["index"]["incidents"]
    return generation


def resident_mib(pid: int) -> float:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def test_requests_are_answered_through_every_fault(
    environment: dict[str, str],
    publish: Callable[[int, int], None],
    proxy: FaultyProxy,
    small_cache: Path,
    tmp_path: Path,
) -> None:
    run = Run(publish, proxy, small_cache)
    seen: list[set[int]] = [set() for _ in range(N_CONTAINERS)]
    memory: list[list[float]] = [[] for _ in range(N_CONTAINERS)]
    seconds: list[float] = []
    with ExitStack() as running:
        command = [sys.executable, "-m", "awslambdaric", "similar.handler"]
        run.publish()
        runtimes: list[Any] = [
            running.enter_context(lambda_runtime(command, environment, tmp_path / f"log-{number}"))
            for number in range(N_CONTAINERS)
        ]
        for number, runtime in enumerate(runtimes):
            seen[number].add(ask(runtime))
        run.start()
        try:
            end = monotonic() + SECONDS
            while monotonic() < end:
                for number, runtime in enumerate(runtimes):
                    start = perf_counter()
                    generation = ask(runtime)
                    seconds.append(perf_counter() - start)
                    assert generation >= max(seen[number]), "an older index came back"
                    seen[number].add(generation)
                    memory[number].append(resident_mib(runtime.processes()[-1]))
        finally:
            run.stop()
        sleep(2)  # more than one interval
        fresh_by = monotonic() + 60
        while any(ask(runtime) != run.generation for runtime in runtimes):
            assert monotonic() < fresh_by, "the newest index is not in service"
            sleep(0.5)
    logs = "".join((tmp_path / f"log-{number}").read_text() for number in range(N_CONTAINERS))
    print(
        f"\n{len(seconds)} requests in {SECONDS:.0f} s, none failed, the slowest {max(seconds):.2f} s, "
        f"median {statistics.median(seconds) * 1000:.0f} ms"
        f"\n{run.generation} indexes published, {[len(each) for each in seen]} seen; faults: {dict(run.faults)}; "
        f"{logs.count('could not be brought up to date')} checks failed"
    )
    for each in memory:
        early, late = max(each[: len(each) // 5]), max(each[-len(each) // 5 :])
        print(f"memory: {early:.1f} MiB in the first fifth, {late:.1f} MiB in the last")
        assert late - early < MAX_GROWTH_MIB
