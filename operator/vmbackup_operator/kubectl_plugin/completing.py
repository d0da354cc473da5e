"""What may follow on a command line: words of the commands, and names of objects in the cluster.

kubectl asks a program `kubectl_complete-vmbackup`, since it completes its plugins itself; a shell
that calls kubectl-vmbackup by name uses the script that `completion` prints. Whoever presses a key
is not to read an error: where the cluster does not answer, nothing is offered.
"""

from __future__ import annotations

from collections.abc import Sequence

import typer
from click.shell_completion import ShellComplete, shell_complete

from vmbackup_operator.cli.printing import standard_console
from vmbackup_operator.kubectl_plugin.command_line import app
from vmbackup_operator.kubectl_plugin.shell_scripts import PROGRAM, SHELLS_QUESTION

#: As cobra has them: what follows is no file, or may be one.
_NO_FILES, _FILES = ":4", ":0"


def answer_kubectl(arguments: Sequence[str]) -> int:
    """Print what may follow *arguments*, the last of them unfinished, as kubectl reads it."""
    *before, incomplete = arguments or [""]
    completer = ShellComplete(typer.main.get_command(app), {}, "kubectl vmbackup", SHELLS_QUESTION)
    found = completer.get_completions(list(before), incomplete)
    lines = [f"{each.value}\t{each.help}" if each.help else each.value for each in found
             if each.type == "plain"]  # fmt: skip
    files = any(each.type != "plain" for each in found)
    standard_console(PROGRAM).write(
        "".join(f"{line}\n" for line in (*lines, _FILES if files else _NO_FILES))
    )
    return 0


def answer_shell(question: str) -> int:
    """Print what may follow what the shell has put into its variables, as its script reads it."""
    return shell_complete(typer.main.get_command(app), {}, PROGRAM, SHELLS_QUESTION, question)
