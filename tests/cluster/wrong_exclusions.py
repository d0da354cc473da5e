"""Disks to leave out that the schemas refuse, and what is said then."""

from __future__ import annotations

_TAG = {"name": "backup", "values": ["no"]}
_BACKUPS_ONLY = "only a session of type Backup leaves disks out"

#: Kind, field, the value that makes a right object wrong, and what is said then.
WRONG_EXCLUSIONS: list[tuple[str, str, object, str]] = [
    *[
        (kind, f"spec.{field}", value, said)
        for kind in ("backuppolicies", "backupsessions")
        for field, value, said in (
            ("excludeDataDiskLuns", [64], "less than or equal to 63"),
            ("excludeDataDiskLuns", [1, 1], "Duplicate value"),
            ("disks", "DataDisksOnly", 'supported values: "All", "OSDiskOnly"'),
            ("excludeDiskTags", [{"values": ["no"]}], "excludeDiskTags[0].name: Required value"),
            ("excludeDiskTags", [{"name": "a/b"}], "excludeDiskTags[0].name"),
            ("excludeDiskTags", [_TAG, {"name": "Backup"}], "each tag can be named only once"),
            ("excludeDiskTags", [{**_TAG, "lun": 1}], "unknown field"),
            ("excludeDiskTags", [{"name": f"t{n}"} for n in range(11)], "must have at most 10"),
        )
    ],
]

#: What says nothing beside ``disks: OSDiskOnly``, of policies and of sessions.
BESIDE_OS_DISK_ONLY: list[tuple[str, str, object]] = [
    (kind, field, value)
    for kind in ("backuppolicies", "backupsessions")
    for field, value in (("excludeDataDiskLuns", [1]), ("excludeDiskTags", [_TAG]))
]

#: A field that only backups have a use for, a value of it, and what is said then.
USELESS_TO_OTHERS: list[tuple[str, object, str]] = [
    ("disks", "OSDiskOnly", _BACKUPS_ONLY),
    ("excludeDiskTags", [_TAG], _BACKUPS_ONLY),
]
