"""The sessions as the demo's user watches them with kubectl."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools.demo.narration import FactBroken
from tools.local_cloud.kubernetes_user import KubernetesUser

#: How often a waiting user looks.
LOOK_S = 0.5
#: Name, VM, type, phase, progress, read, stored, age: of single rows, kubectl aligns each anew.
WIDTHS = (38, 9, 9, 18, 11, 10, 10, 5)


def wait_for_session(user: KubernetesUser, namespace: str, known: set[str], limit_s: float) -> str:
    """Return the name of the first session in *namespace* that is not *known*."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = user.find(namespace, "backupsessions")["items"]
        names: set[str] = {session["metadata"]["name"] for session in found} - known
        if names:
            return min(names)
        time.sleep(LOOK_S)
    policies = user.kubectl("describe", "backuppolicies", "--namespace", namespace)
    raise FactBroken(f"no session was made:\n{policies}")


def watch(
    user: KubernetesUser,
    namespace: str,
    name: str,
    show: Callable[[str], None],
    *,
    limit_s: float,
    meanwhile: Callable[[], None],
) -> Any:
    """Show the session's line whenever it changes; return the session when all of it has ended.

    *meanwhile* is called at each look.
    """
    shown: list[str] = []
    version = ""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        session = user.find(namespace, "backupsessions", name)
        if session["metadata"]["resourceVersion"] != version:
            version = session["metadata"]["resourceVersion"]
            shown = _show_news(user, namespace, name, show, shown)
        meanwhile()
        status = session.get("status", {})
        if "outcome" in status and _tidied(status):
            return session
        time.sleep(LOOK_S)
    described = user.kubectl("describe", "backupsession", name, "--namespace", namespace)
    raise FactBroken(f"{name} has not ended in {limit_s:.0f} s:\n{described}")


def _show_news(
    user: KubernetesUser,
    namespace: str,
    name: str,
    show: Callable[[str], None],
    shown: list[str],
) -> list[str]:
    """Show the session's line where it is not as it was *shown*; return it as it is now."""
    rows = columns(user.kubectl("get", "backupsessions", name, "--namespace", namespace))
    if rows[1][:-1] != shown[:-1]:  # its age alone is no news
        for row in rows if not shown else rows[1:]:
            show(_line(row))
    return rows[1]


def columns(printed: str) -> list[list[str]]:
    """Return the cells of a table of kubectl's, an empty one where nothing stands in a column."""
    lines = printed.splitlines()
    starts = [heading.start() for heading in re.finditer(r"\S+", lines[0])]
    ends = [*starts[1:], None]
    return [
        [line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines
    ]


def _line(cells: Sequence[str]) -> str:
    """Return *cells* as one line, each as wide as its column ever is, so that lines agree."""
    return "".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def _tidied(status: Mapping[str, Any]) -> bool:
    """Tell whether what follows the outcome has ended too."""
    said = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
    owed = {"WorkerReleased", "SnapshotsPruned" if "SnapshotsReady" in said else "WorkerReleased"}
    return all(said.get(condition) == "True" for condition in owed)
