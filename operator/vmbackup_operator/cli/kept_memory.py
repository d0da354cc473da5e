"""What the C library keeps of memory that nobody uses any more: little of what packs were in."""

from __future__ import annotations

import ctypes
from typing import Final

#: From glibc's malloc.h: which memory it takes from the system alone, piece by piece, and gives
#: back at once; and how much of other memory it keeps for later.
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1

#: Pieces of packs are larger, blocks smaller: these come and go by the thousand.
_PIECE_BYTES: Final = 4 * 1024 * 1024
_KEPT_BYTES: Final = 32 * 1024 * 1024


def give_pieces_back() -> None:
    """Have the pieces of packs that threads read given back as soon as nobody needs them.

    Else glibc takes the largest piece for usual, and keeps holes of that size for each thread. With
    another C library nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _PIECE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
