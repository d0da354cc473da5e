"""How long a namespace with one session waits beside one with 500: ``… tools.bench.fairness``.

All are written at once, the one last; ten workers are all that there are.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tools.bench.fleet import Size, machines_of, put_repository
from tools.bench.scale import Run
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId

MANY, WORKERS = 500, 10
_SIZE = Size(
    sessions=MANY + 1,
    machines=MANY + 1,
    namespaces=2,
    regions=1,
    workers_of_region=WORKERS,
    transfer_s=60.0,
)
_LONE = ObjectKey("team-01", "lone")


def measure() -> dict[str, Any]:
    """Return the figures, measured in a process of its own."""
    command = [sys.executable, "-m", "tools.bench.fairness"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _sessions(many: int) -> list[tuple[ObjectKey, ArmId]]:
    machines = [vm_id for vm_id, _ in machines_of(_SIZE)]
    crowd = [(ObjectKey("team-00", f"crowd-{n:03}"), machines[n]) for n in range(many)]
    return [*crowd, (_LONE, machines[MANY])]


async def _until_lone_ended(run: Run, sessions: Sequence[tuple[ObjectKey, ArmId]]) -> float:
    """Return how long the one session took from being written to its outcome."""
    with run.clock.in_the_world():
        put_repository(run.server)
    async with run.running():
        began_s = run.clock.monotonic_s()
        run.put(sessions)
        await run.until_ended(_LONE)
    return run.ended_s[_LONE] - began_s


def _run(many: int) -> tuple[float, int]:
    run = Run(_SIZE)
    seconds = run.loop.run_until_complete(_until_lone_ended(run, _sessions(many)))
    return round(seconds, 1), len(run.ended_s) - 1


def main() -> int:
    """Measure and print."""
    logging.disable(logging.INFO)
    alone_s, _ = _run(0)
    beside_s, ended_before = _run(MANY)
    found = {
        "alone_s": alone_s,
        "beside_500_s": beside_s,
        "of_500_ended_before": ended_before,
        "workers": WORKERS,
    }
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
