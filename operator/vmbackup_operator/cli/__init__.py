"""The command line, vmbackup and kubectl vmbackup.

Reads repositories with their key alone, and does what an administrator decides about the appliance.
The console script calls `main`. Nothing is imported here: each command loads what it needs, so that
a repository in a directory is listed without Azure's SDKs.
"""

from __future__ import annotations

from collections.abc import Sequence

INTERRUPTED = 130  # as shells have it: 128 and SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments*, or the program's own, ask for; return the exit code."""
    try:
        from vmbackup_operator.cli.running import run  # noqa: PLC0415 - an interrupt is caught here

        return run(arguments)
    except KeyboardInterrupt:  # while modules were loaded: nothing had begun
        return INTERRUPTED
