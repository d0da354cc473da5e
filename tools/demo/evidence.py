"""What is gathered while a session runs, for the facts that are asserted afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tools.demo import journal
from tools.demo.changes import Changed
from tools.demo.facts import OPERATOR_USER, SNAPSHOTS, Scene
from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.seed import SeededDisk

REPOSITORY_HOST = f"{seed.REPOSITORY_ACCOUNT_ID.rsplit('/', 1)[1]}.blob.core.windows.net"


class Evidence:
    """The journal from now on, and what has to be looked at before it is gone.

    *bundle* is there for a session that stores the workers' bundle, *changed* for one that reads
    what has changed.
    """

    def __init__(
        self,
        azure: Administrator,
        plane: ControlPlane,
        disks: list[SeededDisk],
        *,
        bundle: Path | None = None,
        changed: Changed | None = None,
    ) -> None:
        self._azure = azure
        self._bundle = bundle
        self._disks = disks
        self._changed = {disk.lower(): extents for disk, extents in (changed or {}).items()}
        self._since = azure.last_entry()
        self._audited = len(plane.audited())
        self._plane = plane
        self._sas: list[str] = []
        self._hold: str | None = None
        self._when_held: Callable[[], None] = _nothing

    def hold_first_pack(self, when_held: Callable[[], None]) -> None:
        """Hold a worker's first write of a pack, and do *when_held* in the middle of it."""
        packs = {"service": "blob", "method": "PUT", "host": REPOSITORY_HOST, "path": "/p/"}
        self._hold, self._when_held = self._azure.hold("before", **packs), when_held

    def look(self) -> None:
        """See whether the first pack's write is held, and do what is to be done meanwhile."""
        if self._hold is not None and self._azure.caught(self._hold):
            self._when_held()
            self.let_go()

    def let_go(self) -> None:
        """Let what is held go on."""
        if self._hold is not None:
            self._azure.let_go(self._hold)
            self._hold = None

    def keep_sas(self) -> None:
        """Keep a SAS of each snapshot while it is good."""
        self._sas = [self._azure.granted_url(snapshot) for snapshot in self._snapshots()]

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
            snapshot_changes=dict(self._changes()),
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

    def _snapshots(self) -> dict[str, str]:
        """Return the disk that each snapshot was made of since the beginning, both by their ids."""
        return {
            entry.path: entry.request["properties"]["creationData"]["sourceResourceId"]
            for entry in self.entries()
            if entry.is_write(SNAPSHOTS) and entry.method == "PUT"
        }

    def _changes(self) -> Iterator[tuple[str, Sequence[tuple[int, int]]]]:
        """Yield of each snapshot what its disk has changed since the one before."""
        for snapshot, disk in self._snapshots().items():
            if disk.lower() in self._changed:
                yield snapshot, self._changed[disk.lower()]

    def _home_account(self) -> str:
        accounts = self._azure.accounts(seed.HOME_REGION)
        return next(name for name in accounts if name != seed.REPOSITORY_ACCOUNT_ID.split("/")[-1])

    def _bundle_files(self) -> Iterator[tuple[str, str]]:
        if self._bundle is not None:
            for file in json.loads((self._bundle / "bundle.json").read_text())["files"]:
                yield file["name"], file["md5"]


def _nothing() -> None:
    """Do nothing: no write is held."""
