"""Freed memory that malloc keeps, in a process of its own, as it is a setting of the whole process."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

INFERENCE = Path(__file__).parents[2] / "inference"

PROGRAM = """
import ctypes, sys
from incidents import memory

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
    memory.keep_freed()
before = held()
pieces = [libc.malloc(16 << 20) for _ in range(4)]
for piece in pieces:
    libc.free(piece)
print(held() - before)
"""


def megabytes_held_after_freeing_64(how: str) -> int:
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, env={"PYTHONPATH": str(INFERENCE)}, capture_output=True, text=True, check=True)
    return int(done.stdout) >> 20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc has no such setting")
def test_what_was_freed_is_kept() -> None:
    assert megabytes_held_after_freeing_64("given back") < 4
    assert megabytes_held_after_freeing_64("kept") > 60
