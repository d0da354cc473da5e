"""The chart as a release in a control plane."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chart.charted import HOME, RELEASE, Document, values
from tools.chart.page import CHART
from tools.local_cloud.helm import Helm

RING = "vmbackup-key-ring"


@dataclass(frozen=True, slots=True)
class Release:
    """The release of a namespace: what is done with it, and what the cluster has of it."""

    helm: Helm
    namespace: str = HOME
    chart: Path = CHART

    @property
    def _where(self) -> str:
        return f"--namespace={self.namespace}"

    def install(self, changes: Document | None = None, *words: str) -> str:
        """Install it with the values of the chart's settings.yaml and *changes*."""
        given = values(changes, namespace=self.namespace)
        return self.helm("install", RELEASE, str(self.chart), self._where, *words, values=given)

    def upgrade(self, changes: Document | None = None, *words: str) -> str:
        """Upgrade it to these values."""
        given = values(changes, namespace=self.namespace)
        return self.helm("upgrade", RELEASE, str(self.chart), self._where, *words, values=given)

    def roll_back(self, revision: int, *words: str) -> str:
        """Bring back what *revision* was."""
        return self.helm("rollback", RELEASE, str(revision), self._where, *words)

    def uninstall(self) -> str:
        """Take it out of the cluster."""
        return self.helm("uninstall", RELEASE, self._where)

    def get(self, kind: str, name: str) -> Any:
        """Return an object of its namespace."""
        return self.helm.user.get(kind, name, self._where)

    def is_there(self, kind: str, name: str) -> bool:
        """Return whether the namespace has that object."""
        words = ("get", kind, name, self._where, "--ignore-not-found")
        return bool(self.helm.user.kubectl(*words).strip())

    def ring(self) -> Document:
        """Return the entries of the key ring's Secret, as they are stored."""
        found: Document = self.get("secret", RING)["data"]
        return found

    def settings(self) -> str:
        """Return what the operator's file says."""
        found: str = self.get("configmap", "vmbackup-settings")["data"]["settings.yaml"]
        return found

    def objects(self) -> list[Document]:
        """Return what is in the cluster of all that the newest revision holds."""
        manifest = self.helm("get", "manifest", RELEASE, self._where)
        listed = self.helm.user.kubectl("get", "-f", "-", "--output=json", given=manifest)
        found: list[Document] = json.loads(listed)["items"]
        return found
