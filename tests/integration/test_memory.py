"""Freed memory that malloc keeps, in a process of its own, as it is a setting of the whole process."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from incidents.settings import IMAGE_FOLDER

PROGRAM = """
import ctypes, sys
from incidents.store import current as store

class MallInfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.mallinfo2.restype = MallInfo2

def held():
    information = libc.mallinfo2()
    return information.arena + information.hblkhd

if sys.argv[1] == "kept":
    store.encoder()
before = held()
pieces = [libc.malloc(16 << 20) for _ in range(4)]
for piece in pieces:
    libc.free(piece)
print(held() - before)
"""


def megabytes_held_after_freeing_64(how: str, folder: Path) -> int:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, how]
    environment = {"PYTHONPATH": str(IMAGE_FOLDER), "MODEL_PATH": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout) >> 20


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc from 2.33 on tells")
def test_who_loads_an_encoder_keeps_what_was_freed(tiny_folder: Path) -> None:
    assert megabytes_held_after_freeing_64("given back", tiny_folder) < 4
    assert megabytes_held_after_freeing_64("kept", tiny_folder) > 60
