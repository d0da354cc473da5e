"""One call from its arguments to its exit code: whatever happens, one line says what and why."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Sequence
from pathlib import Path

import click
import typer

from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_operator.cli.printing import Console, standard_console
from vmbackup_operator.kubectl_plugin.command_line import app
from vmbackup_operator.kubectl_plugin.complaints import COULD_NOT, GOOD, complaint_of
from vmbackup_operator.kubectl_plugin.completing import answer_shell
from vmbackup_operator.kubectl_plugin.shell_scripts import PROGRAM, SHELLS_QUESTION

_INTERRUPTED = 130
#: What the user has typed: kubectl says nothing of itself, but finds us by our name.
_TYPED = "kubectl vmbackup"
#: Shows where a fault of vmbackup's own lies, for whoever reports it.
_TRACEBACK = "VMBACKUP_TRACEBACK"


def run(arguments: Sequence[str] | None) -> int:
    """Do what *arguments*, or the program's own, ask for; return the exit code."""
    console = standard_console(PROGRAM)
    # What libraries log is told by the errors that they raise; our own warnings are lines.
    logging.basicConfig(format=f"{PROGRAM}: %(message)s", level=logging.CRITICAL)
    logging.getLogger("vmbackup_operator").setLevel(logging.WARNING)
    code = _code_of(arguments, console)
    if console.lost is not None:
        return _told(console, f"standard output: {console.lost.strerror}", "OutputLost")
    return code


def _code_of(arguments: Sequence[str] | None, console: Console) -> int:
    command = typer.main.get_command(app)
    words = None if arguments is None else list(arguments)
    try:
        question = os.environ.get(SHELLS_QUESTION)
        if question:
            return answer_shell(question)
        code = command.main(words, prog_name=_TYPED, standalone_mode=False, obj=console)
    except (click.exceptions.Abort, KeyboardInterrupt):
        console.complain("interrupted")
        return _INTERRUPTED
    except SystemExit as error:
        # Click ends the program where the reader of a help text has gone, and after completions.
        return GOOD if error.code in {0, 1, None} else COULD_NOT
    except Exception as error:  # noqa: BLE001 - a fault of our own is said in a line, too
        return _complain(error, console)
    if code == _INTERRUPTED:  # typer makes one of Ctrl-C, and says nothing
        console.complain("interrupted")
    return code if isinstance(code, int) else GOOD


def _complain(error: Exception, console: Console) -> int:
    match error:
        case VmbackupError():
            console.complain(complaint_of(error))
            return COULD_NOT
        case click.ClickException():
            return _told(console, " ".join(error.format_message().split()), "Misunderstood")
        case OSError():
            where = error.filename
            if where is None:  # a help text is written by others than the console
                console.turn_away()
                where = "standard output"
            return _told(console, f"{where}: {error.strerror}", "OutputLost")
        case _:
            return _report_fault(error, console)


def _told(console: Console, text: str, reason: str) -> int:
    console.complain(complaint_of(PermanentError(text, reason=reason)))
    return COULD_NOT


def _report_fault(error: Exception, console: Console) -> int:
    if os.environ.get(_TRACEBACK):
        console.complain_at_length("".join(traceback.format_exception(error)))
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    return _told(console, f"{type(error).__name__} at {where}: {error}", "InternalError")
