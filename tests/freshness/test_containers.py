"""Several containers on one cache, as real processes: they download once, and a killed one leaves the cache usable."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep

from incidents.index.file import load_index
from incidents.store.bucket import TEMPORARY
from support.servers.faulty_proxy import FaultyProxy

N_CONTAINERS = 8
N_KILLS = 20
N_INCIDENTS = 5000
"""About 0.7 MB, which takes the slow proxy a few seconds."""

CONTAINER = """
import json, sys, time, similar
print("ready", flush=True)
sys.stdin.readline()
for _ in range(60):  # on a busy machine, the first index takes longer than a request waits
    answer = similar.handler({"text": "w6", "num": 1}, None)
    if answer["statusCode"] != 503:
        break
    time.sleep(1)
print(json.dumps([answer["statusCode"], json.loads(answer["body"])["body"]["msg"]]), flush=True)
"""


def container(environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process that answers a request when it is told to."""
    command = [sys.executable, "-c", CONTAINER]
    process = subprocess.Popen(
        command,
        env=environment | {"POWERTOOLS_METRICS_DISABLED": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_containers_that_start_at_once_download_once(
    environment: dict[str, str], publish: Callable[[int, int], None], proxy: FaultyProxy
) -> None:
    publish(1, 100)
    containers = [container(environment) for _ in range(N_CONTAINERS)]
    for process in containers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in containers]
    assert len({str(answer) for answer in answers}) == 1
    status, message = answers[0]
    assert status == 200, message
    assert 1_000_000 <= json.loads(message.replace("(", "[").replace(")", "]"))[0][1] < 1_000_100
    assert len([request for request in proxy.requests if request.startswith("GET")]) == 1


def test_a_container_killed_while_it_downloads_leaves_the_cache_usable(
    environment: dict[str, str], publish: Callable[[int, int], None], proxy: FaultyProxy
) -> None:
    cached = Path(environment["TRANSFORMERS_CACHE"]) / "model" / "incident_cls.pt"
    publish(1, N_INCIDENTS)
    container(environment).communicate("go\n", timeout=60)
    assert load_index(cached).source == "generation 1"
    proxy.fault = "slow"
    interrupted = 0
    for generation in range(2, N_KILLS + 2):
        before = load_index(cached).source
        publish(generation, N_INCIDENTS)
        process = container(environment)
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        sleep(random.uniform(0.2, 2.5))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        interrupted += bool(list(cached.parent.glob(f"{TEMPORARY}*")))
        assert load_index(cached).source in {before, f"generation {generation}"}
    print(f"\n{interrupted} of {N_KILLS} kills came while the index was downloaded")
    assert interrupted >= N_KILLS // 4
    proxy.fault = "none"
    container(environment).communicate("go\n", timeout=60)
    assert load_index(cached).source == f"generation {N_KILLS + 1}"
    assert not list(cached.parent.glob(f"{TEMPORARY}*"))
