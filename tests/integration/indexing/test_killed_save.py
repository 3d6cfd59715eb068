"""A save of an index that is killed, in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex

INFERENCE = str(Path(__file__).resolve().parents[3] / "inference")


def test_the_next_save_removes_the_leftovers_of_a_killed_one(tiny_index: IncidentIndex, tmp_path: Path) -> None:
    save_index(tiny_index, tmp_path / "incident_cls.pt")
    before = (tmp_path / "incident_cls.pt").read_bytes()
    program = """if True:
        import os, signal, sys
        from pathlib import Path
        from incidents.index.file import load_index, save_index
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        save_index(load_index(Path(sys.argv[1])), Path(sys.argv[1]))
    """
    command = [sys.executable, "-c", program, str(tmp_path / "incident_cls.pt")]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": INFERENCE}, check=False)
    assert killed.returncode == -signal.SIGKILL
    (leftover,) = tmp_path.glob(".*")
    assert leftover.stat().st_size == len(before)
    others = [tmp_path / name for name in (".incident_cls.pt.lock", ".incident_cls.pt.mine", ".x.pt.1.unfinished")]
    for other in others:
        other.write_text("somebody else's")
    save_index(tiny_index, tmp_path / "incident_cls.pt")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "incident_cls.pt", *others])
