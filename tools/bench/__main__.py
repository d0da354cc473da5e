"""The benchmarks: ``python -m tools.bench [FOLDER]`` writes ``build/bench/operator.json``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tools.bench import imports, session_requests
from tools.local_cloud.toolchains import ROOT

RESULT = ROOT / "build" / "bench" / "operator.json"


def main(arguments: list[str]) -> int:
    """Measure, keep what other benchmarks wrote in the same file, and print."""
    found = {"imports_mb": imports.measure()}
    with tempfile.TemporaryDirectory(prefix="vmbackup-bench-") as folder:
        where = Path(arguments[0]) if arguments else Path(folder)
        found |= session_requests.measure(where)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    RESULT.write_text(json.dumps({**before, **found}, indent=2) + "\n")
    print(RESULT.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
