"""The benchmarks: ``python -m tools.bench [PART ...]`` writes ``build/bench/operator.json``."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.bench import fairness, heard, idle, imports, planning, scale, session_requests
from tools.local_cloud.toolchains import ROOT

RESULT = ROOT / "build" / "bench" / "operator.json"

Figures = dict[str, Any]


def _sessions() -> Figures:
    with tempfile.TemporaryDirectory(prefix="vmbackup-bench-") as folder:
        return session_requests.measure(Path(folder))


#: What can be measured by itself, in the order in which all of it is.
PARTS: Mapping[str, Callable[[], Figures]] = {
    "imports": lambda: {"imports_mb": imports.measure()},
    "sessions": _sessions,
    "idle": lambda: {"idle_hour": idle.measure()},
    "heard": lambda: {"heard": heard.measure()},
    "fairness": lambda: {"fairness": fairness.measure()},
    "planning": lambda: {"planning": planning.measure_planning()},
    "scale": lambda: {"scale": scale.measure()},
}


def main(arguments: list[str]) -> int:
    """Measure the parts, keep what was measured before of the others, and print."""
    unknown = set(arguments) - PARTS.keys()
    if unknown:
        sys.stderr.write(f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}\n")
        return 2
    for part in arguments or PARTS:
        keep(RESULT, {**PARTS[part](), "machine": machine()})
    print(RESULT.read_text())
    return 0


def keep(path: Path, found: Figures) -> None:
    """Write *found* beside what is there already of other parts, or of other benchmarks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**before, **found}, indent=2) + "\n")


def machine() -> Figures:
    """Return what it ran on, and how busy that was: timings of a busy one say little."""
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(each, 1) for each in os.getloadavg()],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
