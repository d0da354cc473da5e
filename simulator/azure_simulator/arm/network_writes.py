"""What the network provider's resources have in common: entity tags, one write at a time, ends."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import weak_etag
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Exchange
from azure_simulator.arm.operations import NETWORK, NETWORK_DELETE
from azure_simulator.resources import Body, Resource

#: What is left to do when an operation's time has passed.
Finish = Callable[[], Awaitable[None]]


def check_preconditions(exchange: Exchange) -> None:
    """Refuse a write whose `If-Match` or `If-None-Match` does not hold."""
    existing = exchange.existing
    wanted, unwanted = exchange.headers.get("If-Match"), exchange.headers.get("If-None-Match")
    etag = existing.body.get("etag") if existing else None
    mismatch = wanted is not None and (existing is None or wanted not in ("*", etag))
    if mismatch or (unwanted == "*" and existing is not None):
        message = "One or more preconditions specified in the request have not been satisfied."
        raise ArmError(412, "PreconditionFailed", message)


def not_busy(exchange: Exchange, resource: Resource | None) -> None:
    """Refuse a write while another operation on *resource* is under way."""
    if resource is None or resource.provisioning_state in ("Succeeded", "Failed"):
        return
    uri = resource.hidden.get("operation", "")
    message = (
        "Another operation on this or dependent resource is in progress. To retrieve status of the "
        f"operation use uri: {uri}?api-version={exchange.api_version}."
    )
    raise ArmError(409, "AnotherOperationInProgress", message, details=[])


def provisioned(referenced: Resource, referring: str, status: int = 429) -> None:
    """Refuse to refer to a resource that is being written."""
    if referenced.provisioning_state in ("Succeeded", "Failed"):
        return
    message = (
        f"Cannot proceed with operation because resource {referenced.id} used by resource "
        f"{referring} is not in Succeeded state. Resource is in {referenced.provisioning_state} "
        "state and the last operation that updated/is updating the resource is "
        f"{referenced.hidden.get('operationName', 'PutOperation')}."
    )
    if status == 400:  # noqa: PLR2004 - as recorded for peerings
        raise ArmError(400, "ReferencedResourceNotProvisioned", message, details=[])
    details = [{"code": "ReferencedResourceNotProvisioned", "message": message}]
    raise ArmError(429, "RetryableError", "A retryable error occurred.", details=details)


def start_write(  # noqa: PLR0913 - a write has these sides
    exchange: Exchange,
    resource: Resource,
    *,
    created: bool,
    region: str,
    first: float,
    seconds: float,
    finish: Finish | None = None,
    also: Resource | None = None,
) -> Answer:
    """Store *resource* as updating and begin the operation that ends the update.

    *also* is what counts as being updated along with it: a subnet's network.
    """
    cloud = exchange.cloud
    touched = [resource] if also is None else [resource, also]
    resource.properties["provisioningState"] = "Updating"
    resource.properties.setdefault("resourceGuid", str(uuid.uuid4()))
    cloud.resources.put(resource)

    async def work() -> None:
        try:
            if finish is not None:
                await finish()
        finally:
            for one in touched:
                one.properties["provisioningState"] = "Succeeded"
                one.body["etag"] = weak_etag()
            cloud.resources.changed()

    headers = exchange.start(NETWORK, work, region=region, seconds=seconds, makes=resource)
    for one in touched:
        one.properties["provisioningState"] = "Updating"
        one.body["etag"] = weak_etag()
        one.hidden["operation"] = headers["Azure-AsyncOperation"].partition("?")[0]
        one.hidden["operationName"] = f"Put{resource.type.rsplit('/', 1)[1].title()}Operation"
    headers["Retry-After"] = str(cloud.pace.retry_after(first))
    return Answer(201 if created else 200, frozen(resource.body), headers)


def start_delete(
    exchange: Exchange, resource: Resource, *, region: str, seconds: float, finish: Finish
) -> Answer:
    """Mark *resource* as being deleted and begin the operation that removes it."""
    resource.properties["provisioningState"] = "Deleting"

    async def work() -> None:
        await finish()

    headers = exchange.start(NETWORK_DELETE, work, region=region, seconds=seconds)
    resource.hidden["operation"] = headers["Azure-AsyncOperation"].partition("?")[0]
    exchange.cloud.resources.changed()
    return Answer(202, None, headers)


def frozen(body: Body) -> Body:
    """Return a copy of *body* as it is at this moment."""
    return {name: _frozen(value) for name, value in body.items()}


def _frozen(value: object) -> object:
    if isinstance(value, dict):
        return {name: _frozen(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_frozen(member) for member in value]
    return value
