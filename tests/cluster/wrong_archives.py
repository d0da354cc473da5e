"""What the API server refuses of archives; imported by the CRDs' tests."""

from __future__ import annotations

from tests.cluster.crd_objects import RIGHT, VM, Manifest, changed
from tests.cluster.wrong_exclusions import USELESS_TO_OTHERS

_POINT = {"recoveryPointRef": {"name": "web-01-202611220130-0123ab"}}
_BELONGS = "sessions of type Archive have it, and no others"

#: A field that a session of type Archive has no use for, a value of it, and what is said then.
USELESS_TO_ARCHIVES: list[tuple[str, object, str]] = [
    ("excludeDataDiskLuns", [1], "copies all disks of its recovery point"),
    *USELESS_TO_OTHERS,
    ("snapshotsToKeep", 2, "a session of type Archive takes no snapshots"),
    ("newChain", True, "only a session of type Backup stores a VM anew"),
]


def an_archive() -> Manifest:
    """Return a right session of type Archive."""
    named = {"virtualMachineId": VM, "repositoryRef": {"name": "archives"}}
    spec = {**named, "type": "Archive", "archive": _POINT, "retention": {"last": 1}}
    return changed(RIGHT["backupsessions"], "spec", spec)


def _into(**parts: object) -> dict[str, object]:
    return {"repositoryRef": {"name": "archives"}, "retention": {"last": 1}, **parts}


#: Each as in the tests' other tables: kind, field, the wrong value, and what is said then.
WRONG_ARCHIVES: list[tuple[str, str, object, str]] = [
    ("backuppolicies", "spec.archive", {}, "archive.repositoryRef: Required value"),
    ("backuppolicies", "spec.archive", _into(points="Daily"), "supported values"),
    ("backuppolicies", "spec.archive", _into(retention={"last": 0}), "greater than"),
    ("backupsessions", "spec.type", "Archive", _BELONGS),
    ("backupsessions", "spec.archive", _POINT, _BELONGS),
    ("backupsessions", "spec.archive", {}, "recoveryPointRef: Required value"),
]
