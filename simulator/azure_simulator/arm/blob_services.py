"""Blob and queue services of an account, and its containers, as Resource Manager sees them."""

from __future__ import annotations

import re
import secrets

from azure_simulator.arm.accounts import KIND as ACCOUNT
from azure_simulator.arm.accounts import require_provisioned
from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import canonical_id
from azure_simulator.arm.errors import ArmError, parent_not_found
from azure_simulator.arm.exchange import Exchange, Route
from azure_simulator.resources import Body, Resource
from azure_simulator.storage.kept_versions import is_immutable, keeps_versions

BLOB_SERVICE = f"{ACCOUNT}/blobServices"
QUEUE_SERVICE = f"{ACCOUNT}/queueServices"
CONTAINER = f"{BLOB_SERVICE}/containers"

_NAME = re.compile(r"^(?!.*--)[a-z0-9$][a-z0-9-]{1,61}[a-z0-9]$")


def _account(exchange: Exchange, kind: str, verb: str) -> Resource:
    path = exchange.target.path
    at = re.search(r"/(blob|queue)services", path, re.IGNORECASE)
    account = exchange.cloud.resources.find(path[: at.start()] if at else path)
    if account is None:
        raise parent_not_found(verb, kind, path[: at.start()] if at else path)
    return account


def _service(exchange: Exchange, kind: str, account: Resource) -> Resource:
    stored = exchange.cloud.resources.find(f"{account.id}/{kind.rsplit('/', 1)[1]}/default")
    if stored is not None:
        return stored
    properties: Body = {"cors": {"corsRules": []}}
    if kind == BLOB_SERVICE:
        properties["deleteRetentionPolicy"] = {"allowPermanentDelete": False, "enabled": False}
    arm_id = f"{account.id}/{kind.rsplit('/', 1)[1]}/default"
    body: Body = {"id": arm_id, "name": "default", "type": kind, "properties": properties}
    if kind == BLOB_SERVICE:
        body["sku"] = account.body["sku"]
    return Resource(arm_id, body)


def service_routes(kind: str) -> tuple[Route, ...]:
    """Return the routes of a blob or queue service, which every account has, called default."""

    async def get_one(exchange: Exchange) -> Answer:
        return Answer(200, _service(exchange, kind, _account(exchange, kind, "read")).body)

    async def put(exchange: Exchange) -> Answer:
        account = _account(exchange, kind, "write")
        require_provisioned(account)
        service = _service(exchange, kind, account)
        service.properties.update(exchange.properties)
        exchange.cloud.resources.put(service)
        return Answer(200, service.body)

    return (Route("GET", kind, get_one), Route("PUT", kind, put))


def _container_etag() -> str:
    return f'"0x{secrets.token_hex(8).upper()[:15]}"'


def _shown_container(exchange: Exchange, arm_id: str, hidden: Body, given: Body) -> Resource:
    body: Body = {
        "id": arm_id,
        "name": arm_id.rsplit("/", 1)[1],
        "type": CONTAINER,
        "etag": _container_etag(),
        "properties": {
            "immutableStorageWithVersioning": {"enabled": False},
            "deleted": False,
            "remainingRetentionDays": 0,
            "defaultEncryptionScope": "$account-encryption-key",
            "denyEncryptionScopeOverride": False,
            "publicAccess": "None",
            "leaseStatus": "Unlocked",
            "leaseState": "Available",
            "lastModifiedTime": exchange.cloud.now(),
            "hasImmutabilityPolicy": False,
            "hasLegalHold": False,
            **given,
        },
    }
    return Resource(arm_id, body, hidden)


async def _put_container(exchange: Exchange) -> Answer:
    account = _account(exchange, CONTAINER, "write")
    require_provisioned(account)
    name = exchange.target.name
    if not _NAME.match(name):
        message = "The specified resource name contains invalid characters or is too short or long."
        raise ArmError(400, "InvalidResourceName", message)
    given = exchange.properties
    if (
        given.get("publicAccess", "None") != "None"
        and not account.properties["allowBlobPublicAccess"]
    ):
        message = "Public access is not permitted on this storage account."
        raise ArmError(409, "PublicAccessNotPermitted", message)
    arm_id = canonical_id(exchange, CONTAINER)
    given = {**given, "immutableStorageWithVersioning": _immutability(exchange, account)}
    existed = await _exists(exchange, account)
    await exchange.cloud.backing.accounts.create_container(account.name, name)
    resource = _shown_container(exchange, arm_id, {}, given)
    exchange.cloud.resources.put(resource)
    body = {key: value for key, value in resource.body.items() if key != "etag"}
    return Answer(200 if existed else 201, body, {"ETag": resource.body["etag"]})


def _immutability(exchange: Exchange, account: Resource) -> Body:
    """Return what a container says of version-level immutability, which it has from its making on.

    That it can be migrated to it later is not simulated.
    """
    if is_immutable(account):
        return {"enabled": True}
    wanted: Body = exchange.properties.get("immutableStorageWithVersioning") or {"enabled": False}
    if exchange.existing is not None:
        before = is_immutable(exchange.existing)
        if before is not wanted.get("enabled", False) and "immutableStorageWithVersioning" in (
            exchange.properties
        ):
            message = "The property 'immutableStorageWithVersioning' cannot be changed."
            raise ArmError(409, "ContainerImmutabilityCannotBeUpdated", message)
        return {"enabled": before}
    if wanted.get("enabled") and not keeps_versions(exchange.cloud.resources, account):
        message = "Version-level immutability needs blob versioning on the storage account."
        raise ArmError(409, "BlobVersioningNotEnabled", message)
    return wanted


async def _exists(exchange: Exchange, account: Resource) -> bool:
    return await exchange.cloud.backing.accounts.container_exists(
        account.name, exchange.target.name
    )


async def _get_container(exchange: Exchange) -> Answer:
    account = _account(exchange, CONTAINER, "read")
    if account.provisioning_state != "Succeeded" or not await _exists(exchange, account):
        if exchange.existing is not None:
            exchange.cloud.resources.remove(exchange.existing.id)
        raise ArmError(404, "ContainerNotFound", "The specified container does not exist.")
    resource = exchange.existing
    if resource is None:  # made over the data plane
        made: Body = {"immutableStorageWithVersioning": {"enabled": is_immutable(account)}}
        resource = _shown_container(exchange, canonical_id(exchange, CONTAINER), {}, made)
        exchange.cloud.resources.put(resource)
    return Answer(200, resource.body, {"ETag": resource.body["etag"]})


async def _list_containers(exchange: Exchange) -> Answer:
    account = _account(exchange, CONTAINER, "read")
    found = [r for r in exchange.cloud.resources.under(account.id) if r.type == CONTAINER.lower()]
    accounts = exchange.cloud.backing.accounts
    there = [r.body for r in found if await accounts.container_exists(account.name, r.name)]
    return Answer(200, {"value": there})


ROUTES = (
    *service_routes(BLOB_SERVICE),
    *service_routes(QUEUE_SERVICE),
    Route("PUT", CONTAINER, _put_container),
    Route("GET", CONTAINER, _get_container),
    Route("GET", CONTAINER, _list_containers, "*"),
)
