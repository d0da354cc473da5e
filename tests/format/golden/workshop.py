"""A repository being made for keeping: its points, its damage, and what is expected of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from tests.format.golden.chains import Chains
from tests.format.golden.disks import ALWAYS, APPLIANCE, MOMENT, VM_ID, Disk, Made, run_of
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.chains.holds import Holder, hold
from vmbackup_core.repository.control.points.points import (
    Origin,
    PointDisk,
    RecoveryPoint,
    StampedRetention,
)
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.header import PutIfAbsent
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import (
    point_name,
    prefix_of_chain,
)
from vmbackup_core.stores.memory import MemoryStore

#: A disk that a point does not have, as its description says it.
Excluded = dict[str, str]


def description(number: int, excluded: Sequence[Excluded] = ()) -> str:
    """Return what a point says of its VM: as Azure described it, or, by odd runs, as resolved."""
    body = {"location": "westeurope", "properties": {"share": 0.5, "zones": [-1, None, "é"]}}
    described = number % 2 == 0
    return json.dumps(
        {
            "schema": 1,
            "source": "resource-manager" if described else "session",
            "apiVersion": "2024-07-01" if described else None,
            "virtualMachine": body if described else None,
            "networkInterfaces": [body] if described else [],
            "resolved": {"name": "Web"},
            **({"excludedDisks": list(excluded)} if excluded else {}),
        },
        ensure_ascii=False,
    )


class Workshop(Chains):
    """A repository in the making, and what its disks must restore to."""

    def __init__(self, key: bytes, put_if_absent: PutIfAbsent) -> None:
        super().__init__(key, put_if_absent)
        self.points: dict[tuple[str, str], list[dict[str, object]]] = {}
        self.findings: set[str] = set()
        self.facts: dict[str, object] = {}
        self.beside: dict[str, bytes] = {}

    def point(
        self,
        number: int,
        *made: Made,
        origin: Origin | None = None,
        retention: StampedRetention = ALWAYS,
        excluded: Sequence[Excluded] = (),
    ) -> RecoveryPoint:
        """The point of run *number*, which is not put."""
        manifests = [self.manifest(each.disk, each.disk.made[each.slot][0]) for each in made]
        return RecoveryPoint(
            repository_id=self.ring.repository,
            run_id=run_of(number),
            appliance_id=APPLIANCE,
            vm_id=VM_ID,
            vm_name="Web",
            vm_region="westeurope",
            vm_description=description(number, excluded),
            created_at=Time.of(MOMENT + timedelta(days=number)),
            policy_namespace=None if number == 1 else "default",
            policy_name=None if number == 1 else "daily",
            retention=retention,
            kind="full" if any(each.said.kind == "full" for each in manifests) else "incremental",
            previous=self.newest_point(),
            origin=origin,
            disks=tuple(
                self.point_disk(number, each, manifest)
                for each, manifest in zip(made, manifests, strict=True)
            ),
        )

    def newest_point(self) -> str | None:
        counted = self.log.read().state.counted.values()
        newest = max(counted, key=lambda each: each.created_at, default=None)
        return None if newest is None else newest.sha256

    def point_disk(self, number: int, made: Made, manifest: Manifest) -> PointDisk:
        disk, (at, content, digest) = made.disk, made.disk.made[made.slot]
        return PointDisk(
            id=f"/disks/{disk.name}",
            name=disk.name,
            unique_id=disk.unique_id,
            lun=disk.lun,
            size_bytes=len(content),
            snapshot_id=f"/snapshots/{disk.name}-{number}",
            snapshot_unique_id=manifest.said.snapshot_unique_id,
            chain_id=disk.chain,
            slot=CommitSlot(made.slot),
            commit_sha256=digest,
            manifest=at.name.removeprefix(prefix_of_chain(disk.chain)),
            manifest_sha256=at.sha256,
            read_bytes=manifest.said.statistics.read_bytes,
            stored_bytes=self.stored_bytes(disk, made.slot, manifest.said.sessions),
        )

    def record(
        self,
        number: int,
        *made: Made,
        origin: Origin | None = None,
        retention: StampedRetention = ALWAYS,
        excluded: Sequence[Excluded] = (),
    ) -> None:
        """Make the point of run *number* count, and keep what its disks must restore to."""
        point = self.point(number, *made, origin=origin, retention=retention, excluded=excluded)
        entry = record(self.log, self.data, point)
        self.points[entry.vm, entry.run] = [
            {
                "chain": each.disk.chain,
                "slot": each.slot,
                "sha256": hashlib.sha256(each.disk.made[each.slot][1]).hexdigest(),
                "holes": [],
            }
            for each in made
        ]

    def put_only(self, number: int, *made: Made) -> str:
        """Put a point that is never logged."""
        vm = self.ring.of(self.epoch).vm_name(VM_ID)
        name = point_name(vm, run_of(number))
        point = self.point(number, *made)
        assert self.control.put(self.control.seal("PONT", name, point, self.epoch))
        return name

    def hold(self, disk: Disk, slot: int, number: int) -> None:
        holder = Holder(run_of(number), "restore", f"restore {number}")
        hold(self.control, [(disk.chain, CommitSlot(slot))], holder, self.clock.now())

    def content(self, made: Made) -> bytes:
        return made.disk.made[made.slot][1]

    def damage(self, store: MemoryStore, name: str, at: int = -20) -> bytes:
        """Flip a byte of an object; a finding says so. Return its bytes as they are now."""
        content = bytearray(store.get(name))
        content[at] ^= 0xFF
        store.delete(name)
        store.put_new(name, content)
        self.find(store, name)
        return bytes(content)

    def lose(self, store: MemoryStore, name: str) -> None:
        store.delete(name)
        self.find(store, name)

    def find(self, store: MemoryStore, name: str) -> None:
        place = "data" if store is self.data else "control"
        self.findings.add(f"{place}:{name}")

    def expect(
        self, number: int, made: Made, content: bytes | None, *holes: tuple[int, int]
    ) -> None:
        """Say what is left of a disk of run *number*: its bytes, zero in its holes; or nothing."""
        (disks,) = [disks for (_, run), disks in self.points.items() if run == run_of(number)]
        (disk,) = [each for each in disks if each["chain"] == made.disk.chain]
        disk["sha256"] = None
        if content is not None:
            left = bytearray(content)
            for offset, length in holes:
                left[offset : offset + length] = bytes(length)
            disk["sha256"] = hashlib.sha256(left).hexdigest()
        disk["holes"] = [list(hole) for hole in holes]

    def write(self, folder: Path, key_file: bytes) -> None:
        """Write both places, the key beside them, and what is expected."""
        for kind, store in (("data", self.data), ("control", self.control_place)):
            for each in store.list(""):
                path = folder / "repository" / kind / each.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(store.get(each.name))
        for name, content in {"key": key_file, **self.beside}.items():
            (folder / name).write_bytes(content)
        files = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        points = [
            {"vm": vm, "run": run, "disks": disks}
            for (vm, run), disks in sorted(self.points.items())
        ]
        reading = self.log.read()
        expected = {
            "repositoryId": self.ring.repository,
            "putIfAbsent": self.put_if_absent,
            "epochs": sorted(self.ring.masters),
            "owner": reading.state.owner,
            "log": {"number": reading.number, "sha256": reading.sha256},
            "points": points,
            "findings": sorted(self.findings),
            **self.facts,
            "files": files,
        }
        (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
