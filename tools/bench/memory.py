"""What memory holds: this process, and the world's part of it, weighed in a process of its own."""

from __future__ import annotations

import gc
import pickle
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from vmbackup_operator.process import give_memory_back

_PROGRAM = """
import pickle, sys
import tools.bench.fleet, tools.bench.measured_operator
from tools.bench.memory import resident_mb
before = resident_mb()
with open(sys.argv[1], "rb") as stored:
    world = pickle.load(stored)
print(resident_mb() - before)
"""


def resident_mb(process: int | str = "self") -> float:
    """Return the MiB resident, of this process once it has given back what it does not need."""
    if process == "self":
        gc.collect()
        give_memory_back()
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    if found is None:
        raise RuntimeError(f"process {process} does not say how much memory it has")
    return int(found[1]) / 1024


def store_world(parts: Iterable[object], path: Path) -> None:
    """Write the plain values of the world's *parts*: mappings and lists, at any depth."""
    kept = [
        {name: value for name, value in vars(part).items() if isinstance(value, dict | list)}
        for part in parts
    ]
    path.write_bytes(pickle.dumps(kept))


def weigh(path: Path) -> float:
    """Return the MiB that the stored world takes in a process that holds nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)
