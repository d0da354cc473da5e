"""Pieces of packs go back to the system when they are done with, in whatever order."""

from __future__ import annotations

import subprocess
import sys

import pytest

MIB = 1024 * 1024

#: Takes larger and larger pieces, each once the one before is gone; keeps a little between them.
PROGRAM = """
import sys
from pathlib import Path
from vmbackup_operator.cli.kept_memory import give_pieces_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "given back":
    give_pieces_back()
between = []
for mib in range(6, 18):
    piece = b"x" * (mib * 1024 * 1024)
    del piece
    between.append(b"y" * 100_000)
piece = b"x" * (12 * 1024 * 1024)
with_one = resident()
del piece
print(with_one - resident())
"""


@pytest.mark.parametrize(("how", "bytes_back"), [("given back", 12 * MIB), ("kept", 0)])
def test_a_piece_of_a_pack_is_given_back_at_once(how: str, bytes_back: int) -> None:
    command = [sys.executable, "-c", PROGRAM, how]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    assert int(ended.stdout) == pytest.approx(bytes_back, abs=MIB)
