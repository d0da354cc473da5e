"""The demo: an Azure VM backed up from ``kubectl apply`` to bytes proven without the operator.

    python -m tools.demo [FOLDER]    DEMO_KEEP=1 leaves everything running and says how to use it

Exits 0 only if everything that it says held. However it ends, nothing that it started goes on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from tools.demo.narration import FactBroken, Narrator
from tools.demo.play import Play
from tools.local_cloud.toolchains import ROOT


class AnotherRuns(Exception):
    """Another demo has the folder."""


class ToldToEnd(BaseException):
    """Ctrl-C, or another signal that asks the demo to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def main(arguments: list[str]) -> int:
    """Run the demo in the folder that is named, made anew, and return the exit code."""
    folder = Path(arguments[0]).resolve() if arguments else ROOT / "build" / "demo"
    _heed_signals()
    try:
        with _alone_in(folder), ExitStack() as running:
            return _run(folder, running)
    except FactBroken as broken:
        print(f"\nThe demo's promise was broken. {broken}", file=sys.stderr)
        print(f"Nothing is left running; logs are in {folder}.", file=sys.stderr)
        return 1
    except AnotherRuns as another:
        print(another, file=sys.stderr)
        return 1
    except ToldToEnd as told:
        print(f"\nEnded by {told}; nothing is left running.", file=sys.stderr)
        return told.exit_code


def _run(folder: Path, running: ExitStack) -> int:
    """Play; what runs is entered into *running*, which is ended after this."""
    narrator = Narrator()
    play = Play(narrator, folder, running)
    play.run()
    print(f"\nEverything held, in {time.monotonic() - narrator.started:.0f} s.", flush=True)
    if os.environ.get("DEMO_KEEP") == "1":
        play.leave_running()
        print("\nAll of it ends with Ctrl-C here.", flush=True)
        try:
            signal.pause()
        except ToldToEnd:
            print("\nEnding.", flush=True)
    return 0


def _heed_signals() -> None:
    """Turn the signals that ask us to end into an exception, so that all that runs is ended.

    SIGINT too where a script started us in the background, which has it ignored; nohup's SIGHUP
    stays ignored.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        raise ToldToEnd(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, end)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make *folder* anew; refuse where another demo runs in it, whose files it has."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnotherRuns(f"Another demo is running in {folder}: end it first.") from None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
