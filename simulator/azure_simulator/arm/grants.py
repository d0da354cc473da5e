"""beginGetAccess and endGetAccess of disks and snapshots."""

from __future__ import annotations

from typing import Literal

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError, invalid_parameter, not_allowed
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.export_policy import check_grant, exporting
from azure_simulator.arm.operations import DISK
from azure_simulator.arm.reading import Missing, get
from azure_simulator.resources import Body, Resource

#: Azure gives no SAS of a disk or snapshot for longer.
LONGEST_S = 60 * 24 * 3600
#: Of a disk whose upload ended before all of it was there.
SPOILED = "spoiled"
_GRANT_S = 2.0
_REVOKE_S = 1.0


def grant_routes(kind: str, missing: Missing) -> tuple[Route, ...]:
    """Return the routes that give and end SAS access to one *kind*."""

    async def begin(exchange: Exchange) -> Answer:
        return _begin(exchange, get(exchange, missing))

    async def end(exchange: Exchange) -> Answer:
        return _end(exchange, get(exchange, missing))

    return (
        Route("POST", kind, begin, "beginGetAccess"),
        Route("POST", kind, end, "endGetAccess"),
    )


def show_access(cloud: Cloud, resource: Resource) -> Body:
    """Return the body with the ``diskState`` of this moment: a SAS ends by itself."""
    if resource.provisioning_state == "Succeeded":
        resource.properties["diskState"] = disk_state(cloud, resource)
    return resource.body


def disk_state(cloud: Cloud, resource: Resource) -> str:
    """Return what `diskState` says now."""
    upload = resource.hidden.get("upload") is True
    if exporting(cloud, resource):
        return "ActiveUpload" if upload else "ActiveSAS"
    if upload:
        return "ReadyToUpload"
    owner = cloud.resources.find(str(resource.body.get("managedBy", "")))
    if owner is None:
        return "Unattached"
    return "Reserved" if owner.hidden.get("power") == "deallocated" else "Attached"


def _begin(exchange: Exchange, resource: Resource) -> Answer:
    cloud = exchange.cloud
    access, duration = _asked(exchange.body)
    if resource.provisioning_state != "Succeeded":
        message = f"The resource '{resource.name}' is in state {resource.provisioning_state}."
        raise not_allowed(message)
    _check_state(cloud, resource, access)
    host = check_grant(cloud, resource)
    resource.hidden["granting"] = True

    async def work() -> Body:
        try:
            url = await cloud.backing.exports.grant(resource.id, access, duration, host)
        finally:
            resource.hidden["granting"] = False
            cloud.resources.changed()
        return {"accessSAS": url}

    headers = exchange.start(DISK, work, region=resource.body["location"], seconds=_GRANT_S)
    return Answer(202, None, headers)


def _asked(given: Body) -> tuple[Literal["Read", "Write"], int]:
    access, duration = given.get("access"), given.get("durationInSeconds")
    if access not in ("Read", "Write"):
        raise invalid_parameter("access")
    if not isinstance(duration, int) or duration <= 0:
        raise invalid_parameter("durationInSeconds")
    if duration > LONGEST_S:
        message = f"A shared access signature lasts {LONGEST_S} seconds (60 days) at most."
        raise invalid_parameter("durationInSeconds", message)
    if given.get("fileFormat") not in (None, "VHD") or given.get("getSecureVMGuestStateSAS"):
        message = "This simulator exports VHDs only, and no guest state."
        raise ArmError(400, "BadRequest", message)
    return access, duration


def _check_state(cloud: Cloud, resource: Resource, access: str) -> None:
    state = disk_state(cloud, resource)
    if resource.hidden.get("upload") == SPOILED:
        raise not_allowed(f"What was uploaded into {resource.name} is no VHD of its size.")
    if state == "Attached":
        raise not_allowed(
            f"Cannot grant access to {resource.name} because disk is currently attached to "
            f"running VM {resource.body['managedBy']}."
        )
    uploading = state in ("ReadyToUpload", "ActiveUpload")
    if (access == "Write") != uploading:
        raise not_allowed(f"{access} access is not possible while the disk is {state}.")


def _end(exchange: Exchange, resource: Resource) -> Answer:
    cloud = exchange.cloud
    if resource.hidden.get("granting"):
        raise ArmError(409, "OperationNotAllowed", "Access is being granted at this moment.")

    async def work() -> None:
        exports = cloud.backing.exports
        ends_upload = resource.hidden.get("upload") is True and exports.granted(resource.id)
        await exports.revoke(resource.id)
        if ends_upload:
            # What was uploaded is a disk like any other as soon as its write access ends; without
            # a VHD's footer it is of no use to anybody, and there is no second upload.
            resource.hidden["upload"] = False if exports.uploaded(resource.id) else SPOILED
        cloud.resources.changed()

    headers = exchange.start(DISK, work, region=resource.body["location"], seconds=_REVOKE_S)
    return Answer(202, None, headers)
