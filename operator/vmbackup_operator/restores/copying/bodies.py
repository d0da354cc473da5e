"""The body of a disk that Azure makes of a snapshot, from that of one that takes an upload."""

from __future__ import annotations

from vmbackup_operator.environments.bodies import Body, body_at
from vmbackup_operator.restores.planning.planned import DiskWanted

_GIB = 1 << 30


def disk_body(wanted: DiskWanted) -> Body:
    """Return the body of the PUT but for its source and our tags: closed to everybody.

    What an upload has to come before, such as an encryption set, Azure takes at once of a copy.
    """
    properties = {
        **body_at(wanted.body, "properties"),
        **body_at(wanted.after_upload, "properties"),
        "networkAccessPolicy": "DenyAll",
        "publicNetworkAccess": "Disabled",
        "creationData": dict(wanted.creation_data),
        "diskSizeGB": -(-wanted.size_bytes // _GIB),
    }
    return {**wanted.body, "properties": properties}
