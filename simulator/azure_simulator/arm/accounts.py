"""Storage accounts: creation, keys, network rules, names that are taken everywhere."""

from __future__ import annotations

import base64
import re
import secrets

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, keep
from azure_simulator.arm.connections import connection_routes, disconnected
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.operations import STORAGE
from azure_simulator.arm.reading import get, missing_by_gateway, reading_routes
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource, Resources
from azure_simulator.storage.kept_versions import is_immutable

KIND = "Microsoft.Storage/storageAccounts"
APPROVAL = f"{KIND}/PrivateEndpointConnectionsApproval/action"

#: Azure allows shorter names of tags here than elsewhere.
_TAG_NAME_LENGTH = 128
_NAME = re.compile(r"^[a-z0-9]{3,24}$")
_KINDS = ("StorageV2", "BlobStorage", "BlockBlobStorage", "Storage", "FileStorage")
_SERVICES = ("dfs", "blob", "queue", "table", "file")
_SECONDS = 20.0
_REVOCATIONS = "delegationKeyRevocations"

#: What a PUT or PATCH may set; everything else in `properties` is refused as Azure refuses it.
_SETTABLE = frozenset(
    {
        "accessTier", "allowBlobPublicAccess", "allowCrossTenantReplication", "allowedCopyScope",
        "allowSharedKeyAccess", "azureFilesIdentityBasedAuthentication", "customDomain",
        "defaultToOAuthAuthentication", "dnsEndpointType", "encryption",
        "immutableStorageWithVersioning", "isHnsEnabled", "isLocalUserEnabled", "isNfsV3Enabled",
        "isSftpEnabled", "keyPolicy", "largeFileSharesState", "minimumTlsVersion", "networkAcls",
        "publicNetworkAccess", "routingPreference", "sasPolicy", "supportsHttpsTrafficOnly",
        "enableExtendedGroups",
    }
)  # fmt: skip


async def _put(exchange: Exchange) -> Answer:
    target, existing = exchange.target, exchange.existing
    if existing is not None and existing.provisioning_state != "Failed":
        return await _patch(exchange)
    _check_request(exchange)
    if existing is None and _taken(exchange.cloud, target.name):
        message = f"The storage account named {target.name} is already taken."
        raise ArmError(409, "StorageAccountAlreadyTaken", message)
    body = _body(exchange)
    resource = keep(exchange, body)
    resource.hidden["keys"] = {"key1": _key(), "key2": _key()}

    async def work() -> Body:
        resource.properties["provisioningState"] = "ResolvingDns"
        await exchange.cloud.backing.accounts.create(resource.name, resource.hidden["keys"]["key1"])
        resource.properties["provisioningState"] = "Succeeded"
        resource.properties["statusOfPrimary"] = "available"
        exchange.cloud.resources.changed()
        return resource.body

    region = body["location"]
    headers = exchange.start(STORAGE, work, region=region, seconds=_SECONDS, makes=resource)
    return Answer(202, None, headers)


def _check_request(exchange: Exchange) -> None:
    name, body = exchange.target.name, exchange.body
    if not _NAME.match(name):
        raise ArmError(400, "AccountNameInvalid", _name_problem(name))
    if not (body.get("sku") or {}).get("name") or body.get("kind") not in _KINDS:
        message = "Values for request parameters are invalid: sku, kind."
        raise ArmError(400, "InvalidValuesForRequestParameters", message)
    _check_properties(exchange.properties)


def _check_properties(properties: Body) -> None:
    unknown = set(properties) - _SETTABLE
    if unknown:
        message = f"Values for request parameters are invalid: {', '.join(sorted(unknown))}."
        raise ArmError(400, "InvalidValuesForRequestParameters", message)
    if properties.get("publicNetworkAccess") == "SecuredByPerimeter":
        message = (
            "This simulator has no network security perimeters: publicNetworkAccess is Enabled or "
            "Disabled."
        )
        raise ArmError(400, "BadRequest", message)
    if properties.get("publicNetworkAccess", "Enabled") not in ("Enabled", "Disabled"):
        message = "Values for request parameters are invalid: publicNetworkAccess."
        raise ArmError(400, "InvalidValuesForRequestParameters", message)


def _name_problem(name: str) -> str:
    return (
        f"{name} is not a valid storage account name. Storage account name must be between 3 and "
        "24 characters in length and use numbers and lower-case letters only."
    )


def _taken(cloud: Cloud, name: str) -> bool:
    return any(a.name.lower() == name.lower() for a in cloud.resources.of_type(KIND))


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


def _body(exchange: Exchange) -> Body:
    given, now = exchange.properties, exchange.cloud.now()
    sku = dict(exchange.body["sku"])
    body: Body = {
        "sku": {"name": sku["name"], "tier": sku["name"].split("_", 1)[0]},
        "kind": exchange.body["kind"],
        **envelope(exchange, KIND),
    }
    body["tags"] = tags_of(exchange.body, name_length=_TAG_NAME_LENGTH)
    acls = {
        "bypass": "AzureServices",
        "virtualNetworkRules": [],
        "ipRules": [],
        "defaultAction": "Allow",
        **(given.get("networkAcls") or {}),
    }
    service = {"keyType": "Account", "enabled": True, "lastEnabledTime": now}
    name = body["name"]
    body["properties"] = {
        "keyCreationTime": {"key1": now, "key2": now},
        "allowCrossTenantReplication": False,
        "privateEndpointConnections": [],
        "minimumTlsVersion": "TLS1_2",
        "allowBlobPublicAccess": False,
        "supportsHttpsTrafficOnly": True,
        "encryption": {
            "services": {"file": service, "blob": service},
            "keySource": "Microsoft.Storage",
        },
        "accessTier": "Hot",
        **given,
        "networkAcls": acls,
        "provisioningState": "Creating",
        "creationTime": now,
        "primaryEndpoints": {s: f"https://{name}.{s}.core.windows.net/" for s in _SERVICES},
        "primaryLocation": body["location"],
    }
    return body


async def _patch(exchange: Exchange) -> Answer:
    resource = get(exchange, missing_by_gateway)
    require_provisioned(resource, "StorageAccountOperationInProgress")
    given = exchange.properties
    _check_properties(given)
    if "isHnsEnabled" in given and given["isHnsEnabled"] != resource.properties.get("isHnsEnabled"):
        message = "The property 'isHnsEnabled' cannot be changed."
        raise ArmError(409, "StorageAccountPropertyCannotBeUpdated", message)
    if "immutableStorageWithVersioning" in given and given[
        "immutableStorageWithVersioning"
    ] != resource.properties.get("immutableStorageWithVersioning"):
        message = "The property 'immutableStorageWithVersioning' cannot be changed."
        raise ArmError(409, "StorageAccountPropertyCannotBeUpdated", message)
    acls = given.get("networkAcls")
    if acls is not None:
        given = {**given, "networkAcls": {**resource.properties["networkAcls"], **acls}}
    resource.properties.update(given)
    if "tags" in exchange.body:
        resource.body["tags"] = tags_of(exchange.body, name_length=_TAG_NAME_LENGTH)
    exchange.cloud.resources.changed()
    return Answer(200, resource.body)


def require_provisioned(resource: Resource, code: str = "StorageAccountIsNotProvisioned") -> None:
    """Refuse what needs an account that is there."""
    if resource.provisioning_state == "Succeeded":
        return
    message = (
        "The storage account provisioning state must be 'Succeeded' before executing the operation."
    )
    if code == "StorageAccountOperationInProgress":
        message = (
            "An operation is currently performing on this storage account that requires exclusive "
            "access."
        )
    raise ArmError(409, code, message)


async def _delete(exchange: Exchange) -> Answer:
    resource = exchange.existing
    if resource is None:
        return Answer(204)
    if resource.provisioning_state != "Failed":
        require_provisioned(resource, "StorageAccountOperationInProgress")
    if _may_hold_locks(exchange.cloud, resource):
        # Azure refuses it where anything is locked. Which code it says was not seen.
        message = "The storage account holds versions that are protected by immutability policies."
        raise ArmError(409, "StorageAccountProtectedFromDeletion", message)
    await tear_down(exchange.cloud, resource)
    return Answer(200)


def _may_hold_locks(cloud: Cloud, account: Resource) -> bool:
    """Tell whether the account, or a container of it, was made for version-level immutability."""
    return any(is_immutable(each) for each in (account, *cloud.resources.under(account.id)))


async def tear_down(cloud: Cloud, resource: Resource) -> None:
    """Remove an account and its data; its private endpoints lead nowhere."""
    disconnected(cloud, resource)
    cloud.resources.remove(resource.id)
    await cloud.backing.accounts.delete(resource.name)


async def _list_keys(exchange: Exchange) -> Answer:
    resource = exchange.cloud.resources.find(exchange.target.parent_path)
    if resource is None:
        raise missing_by_gateway(exchange.target)
    require_provisioned(resource)
    created = resource.properties["keyCreationTime"]
    keys = [
        {"creationTime": created[name], "keyName": name, "value": value, "permissions": "FULL"}
        for name, value in resource.hidden["keys"].items()
    ]
    return Answer(200, {"keys": keys})


async def _revoke_delegation_keys(exchange: Exchange) -> Answer:
    resource = exchange.cloud.resources.find(exchange.target.parent_path)
    if resource is None:
        raise missing_by_gateway(exchange.target)
    require_provisioned(resource)
    resource.hidden[_REVOCATIONS] = resource.hidden.get(_REVOCATIONS, 0) + 1
    return Answer(200)


def revocations(resources: Resources, name: str) -> int:
    """Return how often the user delegation keys of the account called *name* were revoked."""
    for account in resources.of_type(KIND):
        if account.name.lower() == name.lower():
            times: int = account.hidden.get(_REVOCATIONS, 0)
            return times
    return 0


async def _check_name(exchange: Exchange) -> Answer:
    name = str(exchange.body.get("name", ""))
    if not _NAME.match(name):
        body = {
            "nameAvailable": False,
            "reason": "AccountNameInvalid",
            "message": _name_problem(name),
        }
        return Answer(200, body)
    if _taken(exchange.cloud, name):
        message = f"The storage account named {name} is already taken."
        return Answer(200, {"nameAvailable": False, "reason": "AlreadyExists", "message": message})
    return Answer(200, {"nameAvailable": True})


async def _private_links(exchange: Exchange) -> Answer:
    account = exchange.cloud.resources.find(exchange.target.parent_path)
    if account is None:
        raise missing_by_gateway(exchange.target)
    value = [
        {
            "id": f"{account.id}/privateLinkResources/{group}",
            "name": group,
            "type": f"{KIND}/privateLinkResources",
            "properties": {
                "groupId": group,
                "requiredMembers": [group],
                "requiredZoneNames": [f"privatelink.{group}.core.windows.net"],
            },
        }
        for group in ("blob", "queue")
    ]
    return Answer(200, {"value": value})


def _connection_changed(_exchange: Exchange, _target: Resource, connection: Body | None) -> Answer:
    return Answer(200, connection)


ROUTES = (
    Route("PUT", KIND, _put),
    Route("PATCH", KIND, _patch),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND),
    Route("POST", KIND, _list_keys, "listKeys"),
    Route("POST", KIND, _revoke_delegation_keys, "revokeUserDelegationKeys"),
    Route("POST", "Microsoft.Storage", _check_name, "checkNameAvailability"),
    Route("GET", f"{KIND}/privateLinkResources", _private_links, "*", right=f"{KIND}/read"),
    *connection_routes(KIND, APPROVAL, _connection_changed),
)
