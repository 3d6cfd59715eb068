"""Memory that does not grow with the database, and disks that are really full."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.tiny import make_model

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
MIB = 2**20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    make_model(folder, "longformer", attention_window=8)
    return folder


def write_snapshot(folder: Path, n_reports: int) -> None:
    """As large as the AI Incident Database's: some 4,350 characters a report, five reports an incident."""
    words, numbers = random.Random(1), range(1, n_reports + 1)
    folder.mkdir()
    with (folder / "reports.csv").open("w") as file:
        file.write("report_number,text\n")
        for number in numbers:
            file.write(f'{number},"report {number} {" ".join(f"w{words.randrange(4, 60)}" for _ in range(1100))}"\n')
    with (folder / "incidents.csv").open("w") as file:
        file.write("incident_id,title,reports\n")
        for first in numbers[::5]:
            file.write(f'{first},"Incident {first}","{json.dumps([*range(first, first + 5)])}"\n')


def peak_bytes(command: list[str]) -> int:
    """Of a process of its own, so that it is measured alone."""
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    done = subprocess.run([sys.executable, "-c", measure, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_ten_times_the_reports_need_no_more_memory(model: Path, tmp_path: Path) -> None:
    """The index itself grows: 1,800 more incidents are some 2 MiB here, titles and all, and their keys 1 MiB more."""
    peaks = {}
    for n_reports in (1000, 10_000):
        source = tmp_path / str(n_reports)
        write_snapshot(source, n_reports)
        output = ["--output", str(tmp_path / "index.pt"), "--cache", str(tmp_path / f"{n_reports}.sqlite")]
        options = ["--model", str(model), "--source", f"snapshot:{source}", *output]
        command = [sys.executable, "-m", "scripts.build_index", "build", *options]
        peaks[n_reports] = [peak_bytes(command) / MIB, peak_bytes(command) / MIB]  # embedding all, then nothing
    texts = (tmp_path / "10000" / "reports.csv").stat().st_size / MIB
    print(f"peak memory in MiB, when embedding all and when embedding nothing: {peaks}; the texts have {texts:.0f} MiB")
    for few, many in zip(peaks[1000], peaks[10_000], strict=True):
        assert many - few < texts / 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False).returncode
    ):
        pytest.skip("only root can mount a small disk, where it is allowed to")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_loses_nothing(model: Path, tmp_path: Path, small_disk: Path) -> None:
    write_snapshot(tmp_path / "source", 3000)
    (small_disk / "incident_cls.pt").write_text("the old one")
    files = ["--output", str(small_disk / "incident_cls.pt"), "--cache", str(small_disk / "vectors.sqlite")]
    options = ["--model", str(model), "--source", f"snapshot:{tmp_path / 'source'}", *files, "--json"]
    command = [sys.executable, "-m", "scripts.build_index", "build", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No index written: " in done.stderr
    assert "vectors.sqlite cannot be used: database or disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert (small_disk / "incident_cls.pt").read_text() == "the old one"

    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)  # somebody makes room
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    print(f"new after the disk was full: {json.loads(again.stdout)['new']} of 3000")
    assert 0 < json.loads(again.stdout)["new"] < 3000
    assert sorted(path.name for path in small_disk.iterdir()) == ["incident_cls.pt", "vectors.sqlite"]
