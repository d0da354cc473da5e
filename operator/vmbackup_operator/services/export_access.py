"""Access to the bytes of snapshots and disks: opened by a SAS, and ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm_resources import ArmResources, encoded
from vmbackup_operator.services.resource_kinds import address
from vmbackup_operator.sessions.seen import SecretUrl

if TYPE_CHECKING:
    from azure.mgmt.compute.aio.operations import DisksOperations, SnapshotsOperations

#: What Azure exports, as messages call it.
Exported: TypeAlias = Literal["snapshot", "disk"]


def export_rules(disk_access_id: ArmId | None) -> Body:
    """Return the change that opens a snapshot: to a disk access only, or to public addresses."""
    properties: Body = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
    if disk_access_id is not None:
        properties = {
            "networkAccessPolicy": "AllowPrivate",
            "diskAccessId": disk_access_id,
            "publicNetworkAccess": "Disabled",
        }
    return {"properties": properties}


async def grant_access(
    resources: ArmResources, kind: Exported, resource_id: ArmId, what: str, wanted: Body
) -> SecretUrl:
    """Return the SAS that *wanted* asks for; *what* says in messages what is being done."""
    at = address(resource_id)
    call = _operations_on(resources, kind, resource_id).begin_grant_access(
        at.group, at.name, encoded(wanted), polling=resources.following()
    )
    url = granted_url(await resources.carry_out(what, resource_id, call))
    if not url:
        raise PermanentError(f"{what}: no SAS", reason="NoAccess")
    return SecretUrl(url, sas_end(url))


async def end_access(resources: ArmResources, kind: Exported, resource_id: ArmId) -> bool:
    """End every access to the resource, and return True; what is gone has none."""
    at = address(resource_id)
    call = _operations_on(resources, kind, resource_id).begin_revoke_access(
        at.group, at.name, polling=resources.following()
    )
    what = f"ending access to {kind} {at.name}"
    await resources.carry_out(what, resource_id, call, missing_is_fine=True, ends_access=True)
    return True


def _operations_on(
    resources: ArmResources, kind: Exported, resource_id: ArmId
) -> SnapshotsOperations | DisksOperations:
    compute = resources.clients.compute(address(resource_id).subscription_id)
    return compute.snapshots if kind == "snapshot" else compute.disks


def granted_url(answer: Body) -> str:
    """Return the SAS that an export came to, empty where the answer has none.

    It lies in the operation's output, or is all of the answer of one that ended at once.
    """
    return (
        text_at(answer, "properties", "output", "accessSAS")
        or text_at(answer, "accessSAS")
        or text_at(answer, "accessSas")
    )


def sas_end(url: str) -> datetime | None:
    """Return when the SAS ends, as the SAS itself says."""
    said = parse_qs(urlsplit(url).query).get("se", [""])[0]
    try:
        return datetime.fromisoformat(said).astimezone(UTC)
    except ValueError:
        return None
