"""A release whose pods run: what tests ask of it, whichever node runs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.chart.charted import HOME, Document
from tests.chart.release import Release
from tools.local_cloud.control_plane import ControlPlane

LEASE = "vmbackup-operator-contoso-backup"

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class RunningRelease:
    """An installed release, the control plane that has its pods, and how long a look may take."""

    plane: ControlPlane
    release: Release
    limit_s: float

    def pods(self) -> list[Document]:
        """Return the operator's pods that are not on their way out."""
        chosen = "app.kubernetes.io/component=operator"
        found = self.plane.administrator.get("pods", "-n", HOME, "-l", chosen)["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def leader(self) -> str:
        """Return the name of the pod that leads."""
        return str(self.release.get("lease", LEASE)["spec"].get("holderIdentity", ""))

    def eventually(self, look: Callable[[], Found], good: Callable[[Found], bool]) -> Found:
        """Return what *look* sees once that is *good*; fail with the last look after the limit."""
        deadline = time.monotonic() + self.limit_s
        while not good(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.3)
        return found


def is_ready(pod: Document) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
