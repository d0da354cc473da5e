"""What bash, zsh and fish read in order to complete the plugin where it is called by its name."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "kubectl-vmbackup"
#: Where a shell's script puts its question.
SHELLS_QUESTION = "_KUBECTL_VMBACKUP_COMPLETE"


def script_for(shell: str, command: click.Command) -> str:
    """Return what *shell* is to read in order to complete *command*."""
    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError(f"click knows no {shell}")
    return f"{kind(command, {}, PROGRAM, SHELLS_QUESTION).source()}\n"
