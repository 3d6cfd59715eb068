"""What malloc does with memory that was freed."""

import ctypes
from typing import Final

TRIM_THRESHOLD: Final = -1
MMAP_THRESHOLD: Final = -3
"""Parameters of mallopt, by glibc's malloc.h."""

LARGEST_KEPT: Final = 32 << 20
"""Bytes; glibc takes no more for a threshold of mmap."""


def keep_freed() -> None:
    """Have malloc keep what is freed for what is needed next, where it is glibc's.

    It gives larger pieces back to the system, and the next layer asks for them again and waits for every page to be
    filled with zeros: measured on two threads, 4 % of a text of 1,000 tokens and 8 % of one of 4,096. A process that
    embeds in one thread, with however many of torch's, needs no more memory at its peak; several threads keep one each.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
