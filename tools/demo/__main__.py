"""The demo: an Azure VM backed up from ``kubectl apply`` to bytes proven without the operator.

    python -m tools.demo        DEMO_KEEP=1 leaves everything running and says how to use it

Exits 0 only if everything that it says held.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import ExitStack

from tools.demo.narration import FactBroken, Narrator
from tools.demo.play import Play
from tools.local_cloud.toolchains import ROOT

#: Where the demo keeps what it makes; made anew at each start.
FOLDER = ROOT / "build" / "demo"


def main() -> int:
    """Run the demo and return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is running is ended on the way
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    narrator = Narrator()
    with ExitStack() as running:
        try:
            play = Play(narrator, FOLDER, running)
            play.run()
        except FactBroken as broken:
            print(f"\nThe demo's promise was broken. {broken}", file=sys.stderr)
            print(f"Logs are in {FOLDER}.", file=sys.stderr)
            return 1
        print(f"\nEverything held, in {time.monotonic() - narrator.started:.0f} s.")
        if os.environ.get("DEMO_KEEP") == "1":
            play.leave_running()
    return 0


if __name__ == "__main__":
    sys.exit(main())
