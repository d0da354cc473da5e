"""The command line, vmbackup and kubectl vmbackup.

Reads repositories with their key alone, and does what an administrator decides about the appliance.
The console script calls `main`. Nothing is imported here: each command loads what it needs, so that
a repository in a directory is listed without Azure's SDKs.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType

INTERRUPTED = 130  # as shells have it: 128 and SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments*, or the program's own, ask for; return the exit code."""
    if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from vmbackup_operator.cli.running import run  # noqa: PLC0415 - an interrupt is heard before

    return run(arguments)


def _end(_number: int, _frame: FrameType | None) -> None:
    """End at once: nothing has begun, or all is done, and an exception would end in a traceback.

    Modules that are being loaded may catch it, or turn it into another one.
    """
    os._exit(INTERRUPTED)
