"""The sessions as the demo's user watches them with kubectl."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tools.demo.narration import FactBroken
from tools.local_cloud.kubernetes_user import KubernetesUser

#: How often a waiting user looks.
LOOK_S = 0.5


def wait_for_session(user: KubernetesUser, namespace: str, known: set[str], limit_s: float) -> str:
    """Return the name of the first session in *namespace* that is not *known*."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = user.get("backupsessions", "--namespace", namespace)["items"]
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
    shown: tuple[object, object] | None = None
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        session = user.get("backupsession", name, "--namespace", namespace)
        status = session.get("status", {})
        seen = status.get("phase"), status.get("display", {}).get("progress")
        if seen != shown:
            lines = user.kubectl("get", "backupsessions", name, "--namespace", namespace)
            show("\n".join(lines.splitlines()[0 if shown is None else 1 :]))
            shown = seen
        meanwhile()
        if "outcome" in status and _tidied(status):
            return session
        time.sleep(LOOK_S)
    described = user.kubectl("describe", "backupsession", name, "--namespace", namespace)
    raise FactBroken(f"{name} has not ended in {limit_s:.0f} s:\n{described}")


def _tidied(status: Mapping[str, Any]) -> bool:
    """Tell whether what follows the outcome has ended too."""
    said = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
    return said.get("WorkerReleased") == "True" and said.get("SnapshotsPruned") == "True"
