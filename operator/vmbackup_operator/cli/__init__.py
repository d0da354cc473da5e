"""The command line, vmbackup and kubectl vmbackup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from vmbackup_core.errors import CorruptRepository, VmbackupError
from vmbackup_operator.cli.adoption_command import adopt
from vmbackup_operator.cli.arguments import Adopt, Check, Command, ListPoints, Restore, parse
from vmbackup_operator.cli.printing import write_complaint
from vmbackup_operator.cli.repository_commands import DAMAGE, check, list_points, restore

FAILED = 1
INTERRUPTED = 130  # as shells have it: 128 and SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments*, or the program's own, ask for; return the exit code."""
    command = parse(arguments)
    try:
        return _done(command)
    except CorruptRepository as error:
        return _failed(error, DAMAGE)
    except VmbackupError as error:
        return _failed(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _done(command: Command) -> int:
    match command:
        case ListPoints():
            return list_points(command)
        case Check():
            return check(command)
        case Restore():
            return restore(command)
        case Adopt():
            return adopt(command)
        case _:
            assert_never(command)


def _failed(error: VmbackupError, code: int) -> int:
    write_complaint(str(error))
    return code
