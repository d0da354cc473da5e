"""The benchmarks: ``python -m tools.bench [PART ...]`` writes ``build/bench/``.

Parts of the engine's write ``engine.json``, the others ``operator.json``.
"""

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
from tools.bench.engine import aged, rounds, scenarios
from tools.bench.engine.ratios import ratios
from tools.local_cloud.toolchains import ROOT

RESULT = ROOT / "build" / "bench" / "operator.json"
ENGINE = RESULT.with_name("engine.json")

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

#: The same of the engine: what it reads and writes, as whole processes.
ENGINE_PARTS: Mapping[str, Callable[[], Figures]] = {
    "engine": rounds.measure,
    "engine-disks": scenarios.four_disks,
    "engine-latency": scenarios.latencies,
    "engine-extents": scenarios.many_extents,
    "engine-sizes": scenarios.sizes,
    "engine-aged": aged.measure,
}


def main(arguments: list[str]) -> int:
    """Measure the parts, keep what was measured before of the others, and print."""
    every = {**PARTS, **ENGINE_PARTS}
    unknown = set(arguments) - every.keys()
    if unknown:
        sys.stderr.write(f"no part {', '.join(sorted(unknown))}: there are {', '.join(every)}\n")
        return 2
    for part in arguments or every:
        before = machine()
        found = {**every[part](), "machine": before}
        if part in ENGINE_PARTS:
            keep_engine(ENGINE, found, anew=part == "engine")
        else:
            keep(RESULT, found)
    for result in {_result_of(part): None for part in arguments or every}:
        print(result.read_text())
    return 0


def _result_of(part: str) -> Path:
    return ENGINE if part in ENGINE_PARTS else RESULT


def keep_engine(path: Path, found: Figures, *, anew: bool) -> None:
    """Write *found* with the ratios of all that is known by then; *anew* with scenarios alone."""
    if anew and path.exists():
        before = json.loads(path.read_text())
        kept = {name: before[name] for name in scenarios.NAMES if name in before}
        path.write_text(json.dumps(kept))
    keep(path, found)
    keep(path, {"ratios": ratios(json.loads(path.read_text()))})


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
