"""The benchmarks: ``python -m tools.bench [PART ...]`` writes ``build/bench/``.

Parts of the engine's write ``engine.json``, the others ``operator.json``.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench import (
    archiving,
    fairness,
    heard,
    idle,
    imports,
    planning,
    scale,
    session_requests,
)
from tools.bench.engine import parts
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
    "archiving": lambda: {"archiving": archiving.measure()},
    "planning": lambda: {"planning": planning.measure_planning()},
    "scale": lambda: {"scale": scale.measure()},
}

#: All parts of the engine, which writes what it reads and stores as whole processes.
ENGINE_ALL = "engine-all"


def main(arguments: list[str]) -> int:
    """Measure the parts, keep what was measured before of the others, and print."""
    known = [*PARTS, *parts.PARTS]
    unknown = set(arguments) - {*known, ENGINE_ALL}
    if unknown:
        sys.stderr.write(f"no part {', '.join(sorted(unknown))}: there are {', '.join(known)}\n")
        return 2
    asked = [each for each in arguments or known if each != ENGINE_ALL]
    asked += [*parts.PARTS] if ENGINE_ALL in arguments else []
    end_in_order()
    _measure_operator([each for each in asked if each in PARTS])
    _measure_engine([each for each in parts.PARTS if each in asked])
    return 0


def end_in_order() -> None:
    """Have signals that end this process end it as ^C does: nothing is left running or lying."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, end)


def _measure_operator(asked: Sequence[str]) -> None:
    for part in asked:
        before = machine()
        keep(RESULT, {**PARTS[part](), "machine": before})
    if asked:
        print(RESULT.read_text())


def _measure_engine(asked: Sequence[str]) -> None:
    if not asked:
        return
    parts.prepare(asked, lambda text: print(f"  {text}", flush=True))
    began = time.monotonic()
    for part in asked:
        print(f"{part}:", flush=True)
        before = machine()
        found = parts.measure_part(part, parts.ALL_S - (time.monotonic() - began))
        keep_engine(ENGINE, part, found, before)
    print(ENGINE.read_text())


def keep_engine(path: Path, part: str, found: Figures, on: Figures) -> None:
    """Write what *part* has *found*, with the ratios of all that is known by then.

    The machine, and how busy it was, is told as it was before the rounds.
    """
    before = json.loads(path.read_text()) if path.exists() else {}
    now = {"machine": on, **parts.merged(before, part, found)}
    write(path, {**now, "ratios": ratios(now)})


def keep(path: Path, found: Figures) -> None:
    """Write *found* beside what is there already of other parts, or of other benchmarks."""
    before = json.loads(path.read_text()) if path.exists() else {}
    write(path, {**before, **found})


def write(path: Path, figures: Figures) -> None:
    """Write *figures* whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")


def machine() -> Figures:
    """Return what it ran on, and how busy that was: timings of a busy one say little."""
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(each, 1) for each in os.getloadavg()],
        "commit": _commit(),
    }


def _commit() -> str:
    """Return what of the project was measured; nothing where it is no checkout."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
