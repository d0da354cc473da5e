"""Disks to leave out that a real API server takes, and what it does not take beside each other."""

from __future__ import annotations

import pytest

from tests.cluster.crd_objects import RIGHT, Writer, changed
from tests.cluster.wrong_exclusions import BESIDE_OS_DISK_ONLY
from vmbackup_core.errors import PermanentError
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.exclusions import TagWanted
from vmbackup_operator.model.metadata import ObjectKey

pytestmark = pytest.mark.control_plane


@pytest.mark.parametrize(("kind", "field", "value"), BESIDE_OS_DISK_ONLY)
async def test_nothing_else_is_left_out_beside_all_data_disks(
    judge: Writer, kind: str, field: str, value: object
) -> None:
    alone = changed(RIGHT[kind], "spec.disks", "OSDiskOnly")
    await judge.create(kind, alone, dry=True)
    with pytest.raises(PermanentError, match="OSDiskOnly leaves all data disks out"):
        await judge.create(kind, changed(alone, f"spec.{field}", value), dry=True)


@pytest.mark.parametrize(
    ("kind", "model"), [("backuppolicies", BackupPolicy), ("backupsessions", BackupSession)]
)
async def test_disks_are_left_out_by_tags_and_luns_together(
    writer: Writer,
    connection: Connection,
    unserved: str,
    kind: str,
    model: type[BackupPolicy | BackupSession],
) -> None:
    tags = [{"name": "backup", "values": ["no", ""]}, {"name": "scratch"}]
    asked = changed(RIGHT[kind], "spec.excludeDiskTags", tags)
    asked = changed(asked, "metadata", {"name": "right"})
    await writer.create(kind, changed(asked, "spec.excludeDataDiskLuns", [3]))

    found = await Objects(connection, model).find(ObjectKey(unserved, "right"))
    assert found is not None
    assert found.spec.disks == "All"
    assert found.spec.exclude_data_disk_luns == (3,)
    assert found.spec.exclude_disk_tags == (TagWanted("backup", ("no", "")), TagWanted("scratch"))
