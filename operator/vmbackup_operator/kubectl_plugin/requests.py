"""The commands that ask something of the operator, and the one that writes a support bundle."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmbackup_core.errors import PermanentError
from vmbackup_operator.kubectl_plugin import asking
from vmbackup_operator.kubectl_plugin.call import Call
from vmbackup_operator.kubectl_plugin.complaints import GOOD
from vmbackup_operator.kubectl_plugin.reporting import gather

if TYPE_CHECKING:
    from vmbackup_operator.kubectl_plugin.cluster_access import Cluster
    from vmbackup_operator.kubectl_plugin.support_bundle import Bundle


def run_now(call: Call, policy: str, machines: Sequence[str]) -> int:
    """Answer ``run``: what was asked for, or the sessions that were made."""

    async def ask(cluster: Cluster) -> list[str]:
        if not machines:
            return [await asking.run_policy(cluster, policy, call.now)]
        made = await asking.run_machines(cluster, policy, machines)
        return [f"{each} created; kubectl vmbackup watch {each} shows it" for each in made]

    for line in call.ask(ask):
        call.console.write_line(line)
    return GOOD


def retry_now(call: Call, session: str) -> int:
    """Answer ``retry``."""
    call.console.write_line(call.ask(lambda cluster: asking.retry(cluster, session, call.now)))
    return GOOD


def cancel_now(call: Call, session: str) -> int:
    """Answer ``cancel``."""
    call.console.write_line(call.ask(lambda cluster: asking.cancel(cluster, session)))
    return GOOD


def write_report(call: Call, file: str | None, operator_namespace: str) -> int:
    """Answer ``report``: the file, and what is not in it."""
    root = f"vmbackup-report-{call.now:%Y%m%d%H%M%S}"
    path = Path(file or f"{root}.tar.gz")

    async def ask(cluster: Cluster) -> Bundle:
        return await gather(cluster, operator_namespace, call.now)

    bundle = call.ask(ask)
    _write_anew(path, bundle.packed(root, call.now))
    call.console.write_line(
        f"{path}: {len(bundle.files)} files; look through them before you send it"
    )
    for each in bundle.left_out:
        call.console.write_line(f"left out: {each}")
    return GOOD


def _write_anew(path: Path, content: bytes) -> None:
    """Write a file that is its owner's alone; one that is there is not written over."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as into:
            into.write(content)
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}", reason="BundleNotWritten") from error
