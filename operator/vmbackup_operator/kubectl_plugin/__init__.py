"""``kubectl vmbackup``: what runs in a cluster, and what one asks of it, in a person's words.

kubectl calls the console script `kubectl-vmbackup`, which calls `main`, and for completions
`kubectl_complete-vmbackup`, which calls `complete`. All that is read and written goes through the
API server, as the user of the kubeconfig and with nobody else's rights. What is decided here is
decided by pure functions over the project's models (`policy_standing`, `plan`, `manifests`);
nothing here talks to Azure or to a repository, and nothing of the operator runs.

Nothing is imported here: each command loads what it needs, so that help and completions are quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

INTERRUPTED = 130  # as shells have it: 128 and SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments*, or the program's own, ask for; return the exit code."""
    before = signal.getsignal(signal.SIGINT)
    is_ours = arguments is None and before is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, _end)
    try:
        from vmbackup_operator.kubectl_plugin.running import run  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        from vmbackup_operator.cli.printing import standard_console  # noqa: PLC0415

        console = standard_console("kubectl-vmbackup")
        console.complain(f"NotInstalled: {error}; pip install 'vmbackup[kubectl]'")
        return 2
    if is_ours:
        signal.signal(signal.SIGINT, before)
    return run(arguments)


def complete(arguments: Sequence[str] | None = None) -> int:
    """Print what may follow *arguments*, or the program's own, as kubectl asks its plugins."""
    try:
        from vmbackup_operator.kubectl_plugin.completing import answer_kubectl  # noqa: PLC0415
    except ModuleNotFoundError:
        return 2
    return answer_kubectl(sys.argv[1:] if arguments is None else arguments)


def _end(_number: int, _frame: FrameType | None) -> None:
    """End at once: nothing has begun yet, and an exception would end in a traceback."""
    os._exit(INTERRUPTED)
