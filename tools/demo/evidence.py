"""What is gathered while a session runs, for the facts that are asserted afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tools.demo import journal
from tools.demo.facts import OPERATOR_USER, Scene
from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.seed import SeededDisk

REPOSITORY_HOST = f"{seed.REPOSITORY_ACCOUNT_ID.rsplit('/', 1)[1]}.blob.core.windows.net"


class Evidence:
    """The journal from now on, and what has to be looked at before it is gone."""

    def __init__(
        self,
        azure: Administrator,
        plane: ControlPlane,
        bundle: Path | None,
        disks: list[SeededDisk],
    ) -> None:
        self._azure = azure
        self._bundle = bundle
        self._disks = disks
        self._since = azure.last_entry()
        self._audited = len(plane.audited())
        self._plane = plane
        self._sas: list[str] = []
        self._hold: str | None = None
        if bundle is not None:  # the first backup, which stores packs
            packs = {"service": "blob", "method": "PUT", "host": REPOSITORY_HOST, "path": "/p/"}
            self._hold = azure.hold("before", **packs)

    def look(self) -> None:
        """Keep a SAS of each snapshot while it is good: while the first pack's write is held."""
        if self._hold is not None and self._azure.caught(self._hold):
            self._sas = [self._azure.granted_url(snapshot) for snapshot in self._snapshots()]
            self._azure.let_go(self._hold)
            self._hold = None

    def entries(self) -> list[journal.Entry]:
        """Return what the appliance and its workers asked of Azure since the beginning."""
        entries = journal.parsed(self._azure.journal(self._since))
        return [entry for entry in entries if entry.caller != "internet"]

    def kubernetes_writes(self) -> int:
        """Return how many objects the operator has written since the beginning."""
        writes = {"create", "update", "patch", "delete"}
        return sum(
            line["verb"] in writes
            and line["user"]["username"] == OPERATOR_USER
            and "/leases/" not in line["requestURI"]  # its leading, not the session's work
            for line in self._plane.audited()[self._audited :]
        )

    def scene(self, session: Any) -> Scene:
        """Return what the facts need to know beside the journal."""
        resolved = session["status"]["resolved"]
        return Scene(
            region_account_id=resolved["environment"]["storageAccountId"],
            home_account_name=self._home_account(),
            repository_host=REPOSITORY_HOST,
            snapshot_extents={snapshot: self._extents(snapshot) for snapshot in self._snapshots()},
            bundle_md5=dict(self._bundle_files()),
            disks=len(self._disks),
        )

    def old_sas_complaints(self) -> list[str]:
        """Return a complaint for each SAS of the session that an export host still takes."""
        if not self._sas:
            return ["no SAS was seen during the session"]
        tried = [self._azure.try_export(url) for url in self._sas]
        return [f"answered {status}" for status in tried if status != HTTPStatus.FORBIDDEN]

    def _extents(self, snapshot: str) -> list[tuple[int, int]]:
        content = self._azure.call("GET", f"/disks/content?id={snapshot}")
        return [(start, length) for start, length in content["allocated"]]

    def _snapshots(self) -> list[str]:
        created = [e for e in self.entries() if e.is_write("Microsoft.Compute/snapshots")]
        return sorted({e.path for e in created if e.method == "PUT"})

    def _home_account(self) -> str:
        accounts = self._azure.accounts(seed.HOME_REGION)
        return next(name for name in accounts if name != seed.REPOSITORY_ACCOUNT_ID.split("/")[-1])

    def _bundle_files(self) -> Iterator[tuple[str, str]]:
        if self._bundle is not None:
            for file in json.loads((self._bundle / "bundle.json").read_text())["files"]:
                yield file["name"], file["md5"]
