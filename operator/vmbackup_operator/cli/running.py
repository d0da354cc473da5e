"""One command from its arguments to its exit code: whatever happens, one line says what and why."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_operator.cli.arguments import Answer, Misunderstood, parse
from vmbackup_operator.cli.commands import (
    Adopt,
    Check,
    Claim,
    Command,
    Drop,
    Expire,
    Holds,
    KeyCommand,
    ListManifests,
    ListPoints,
    Mending,
    Prune,
    RebuildControl,
    Rehydrate,
    Repair,
    Restore,
    RestoreManifest,
    Retire,
)
from vmbackup_operator.cli.complaints import COULD_NOT, complaint, complaint_of, exit_code_of
from vmbackup_operator.cli.printing import Console, standard_console
from vmbackup_operator.cli.waking import woken_by_signals

#: Shows where a fault of vmbackup's own lies, for whoever reports it.
TRACEBACK = "VMBACKUP_TRACEBACK"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """Somebody wants the program to end: what is unfinished is tidied away on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number  # as shells have it


def run(arguments: Sequence[str] | None) -> int:
    """Do what *arguments*, or the program's own, ask for; return the exit code."""
    console = standard_console()
    try:
        with _stopped_by_signals():
            code = _code_of(arguments, console)
    except KeyboardInterrupt as stopped:
        code = stopped.exit_code if isinstance(stopped, Stopped) else 130
        console.complain("interrupted")
        if arguments is None and threading.active_count() > 1:
            # Stopped for the second time, while threads wait for an answer that may take minutes.
            os._exit(code)
    lost = console.lost
    if lost is not None:
        console.complain(complaint("OutputLost", f"standard output: {lost.strerror}"))
        return COULD_NOT
    return code


def _code_of(arguments: Sequence[str] | None, console: Console) -> int:
    try:
        return _perform(parse(arguments), console)
    except Answer as answer:
        console.write(answer.text)
        return 0
    except Misunderstood as error:
        console.complain(complaint("Misunderstood", str(error)))
        return COULD_NOT
    except VmbackupError as error:
        console.complain(complaint_of(error))
        return exit_code_of(error)
    except Exception as error:  # noqa: BLE001 - a fault of our own is said in a line, too
        return _report_fault(error, console)


def _perform(command: Command, console: Console) -> int:
    # Each command imports what only it needs: see the package.
    if isinstance(command, Check | Restore | RestoreManifest | Repair):  # those that read packs
        from vmbackup_operator.cli.kept_memory import give_pieces_back  # noqa: PLC0415

        give_pieces_back()
    match command:
        case Repair() | RebuildControl() | Expire() | Prune() | Retire() | Drop():
            return _mend(command, console)
        case ListPoints() | ListManifests() | Check() | Restore() | RestoreManifest():
            return _read(command, console)
        case _:
            return _decide(command, console)


def _read(
    command: ListPoints | ListManifests | Check | Restore | RestoreManifest, console: Console
) -> int:
    match command:
        case ListPoints():
            from vmbackup_operator.cli.listing import list_points  # noqa: PLC0415

            return list_points(command, console)
        case Check():
            from vmbackup_operator.cli.checking import check  # noqa: PLC0415

            return check(command, console)
        case Restore():
            from vmbackup_operator.cli.restoring import restore  # noqa: PLC0415

            return restore(command, console)
        case ListManifests():
            from vmbackup_operator.cli.manifests import list_manifests  # noqa: PLC0415

            return list_manifests(command, console)
        case RestoreManifest():
            from vmbackup_operator.cli.manifests import restore_manifest  # noqa: PLC0415

            return restore_manifest(command, console)


def _decide(command: KeyCommand | Holds | Claim | Adopt | Rehydrate, console: Console) -> int:
    match command:
        case Rehydrate():
            from vmbackup_operator.cli.rehydrating import rehydrate  # noqa: PLC0415

            return rehydrate(command, console)
        case Adopt():
            from vmbackup_operator.cli.adoption_command import adopt  # noqa: PLC0415

            return adopt(command, console)
        case Holds() | Claim():
            from vmbackup_operator.cli.owning import decide  # noqa: PLC0415

            return decide(command, console)
        case _:
            from vmbackup_operator.cli.keys import change_keys  # noqa: PLC0415

            return change_keys(command, console)


def _mend(command: Mending, console: Console) -> int:
    match command:
        case Repair():
            from vmbackup_operator.cli.repairing import repair  # noqa: PLC0415

            return repair(command, console)
        case RebuildControl():
            from vmbackup_operator.cli.rebuilding import rebuild_control  # noqa: PLC0415

            return rebuild_control(command, console)
        case Expire():
            from vmbackup_operator.cli.expiring import expire  # noqa: PLC0415

            return expire(command, console)
        case Prune():
            from vmbackup_operator.cli.pruning import prune  # noqa: PLC0415

            return prune(command, console)
        case _:
            from vmbackup_operator.cli import letting_go  # noqa: PLC0415

            if isinstance(command, Retire):
                return letting_go.retire(command, console)
            return letting_go.drop(command, console)


def _report_fault(error: Exception, console: Console) -> int:
    if os.environ.get(TRACEBACK):
        console.complain_at_length("".join(traceback.format_exception(error)))
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    fault = PermanentError(f"{type(error).__name__} at {where}: {error}", reason="InternalError")
    console.complain(complaint_of(fault))
    return COULD_NOT


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Turn the signals that end a program into Stopped; those that are ignored stay so."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's business
        return
    before = {
        number: handler
        for number in _ENDING
        if (handler := signal.getsignal(number)) not in {signal.SIG_IGN, None}
    }
    for number in before:
        signal.signal(number, _stop)
    try:
        with woken_by_signals():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)
