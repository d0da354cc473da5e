"""What an account's ARM body says about requests, and what of a request is not simulated."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence

from azure_simulator.resources import Resource, Resources
from azure_simulator.storage.operations import COPY_SOURCE, REHYDRATE_PRIORITY
from azure_simulator.storage.wire import StorageError, not_simulated

_ACCOUNTS = "Microsoft.Storage/storageAccounts"
_TLS = {"TLS1_0": "TLSv1", "TLS1_1": "TLSv1.1", "TLS1_2": "TLSv1.2", "TLS1_3": "TLSv1.3"}

# Azurite takes these and does nothing about them, or does it without Azure's checks.
_HEADERS = (
    "x-ms-legal-hold",
    "x-ms-encryption-scope",
    "x-ms-encryption-key",
    "x-ms-content-crc64",
    "x-ms-range-get-content-crc64",
    "x-ms-structured-body",
)
# Azurite has no locks: they are set by an operation of their own here, not while a blob is put.
_LOCKS = ("x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode")
_PRIORITIES = ("Standard", "High")
#: What may say how quickly an archived blob comes back: every client that sets a tier does.
_BRINGING_BACK = frozenset({"SetBlobTier", "CopyBlob"})
_PARAMETERS = ("startfrom", "prevsnapshot", "deletetype")
_UNKNOWN_INCLUDES = frozenset(("deleted", "deletedwithversions", "legalhold", "permissions"))
#: What may name a version that is not the current one.
_OF_VERSIONS = frozenset(
    {
        "GetBlob",
        "GetBlobProperties",
        "DeleteBlobVersion",
        "SetImmutabilityPolicy",
        "DeleteImmutabilityPolicy",
    }
)


def account_resource(resources: Resources, name: str) -> Resource:
    """Return the ARM resource of the account called *name*; raise where there is none."""
    for resource in resources.of_type(_ACCOUNTS):
        if resource.name.lower() == name:
            return resource
    raise no_such_account()


def no_such_account() -> StorageError:
    """Return the answer of a host whose account has no data plane."""
    return StorageError(404, "ResourceNotFound", "The specified resource does not exist.")


def accepted_keys(account: Resource, own: str) -> Sequence[str]:
    """Return the keys that the account takes: ARM's, else its *own*; none where it allows none."""
    if account.properties.get("allowSharedKeyAccess") is False:
        return ()
    return tuple(account.hidden.get("keys", {}).values()) or (own,)


def check_transport(account: Resource, connection: ssl.SSLObject | ssl.SSLSocket | None) -> None:
    """Raise where the connection is not as safe as the account asks for."""
    if connection is None:
        if account.properties.get("supportsHttpsTrafficOnly", True):
            raise StorageError(
                400,
                "AccountRequiresHttps",
                "The account being accessed does not support http.",
            )
        return
    wanted = _TLS[account.properties.get("minimumTlsVersion", "TLS1_0")]
    if (connection.version() or "") < wanted:
        raise StorageError(
            400,
            "TlsVersionNotPermitted",
            "The TLS version of the connection is not permitted on this storage account.",
        )


def check_public_access(account: Resource, headers: Mapping[str, str]) -> None:
    """Raise where a container is to be public and the account, or the simulator, knows none."""
    if "x-ms-blob-public-access" not in headers:
        return
    if account.properties.get("allowBlobPublicAccess") is not True:
        raise StorageError(
            409,
            "PublicAccessNotPermitted",
            "Public access is not permitted on this storage account.",
        )
    raise not_simulated("public access to containers")


def check_simulated(fields: Mapping[str, str], headers: Mapping[str, str], operation: str) -> None:
    """Raise where Azurite would ignore what the request asks for, and nobody else does it."""
    for name in (*_HEADERS, *(() if operation == "SetImmutabilityPolicy" else _LOCKS)):
        if name in headers:
            raise not_simulated(f"the header {name}")
    _check_of_operations(headers, operation)
    for name in (*_PARAMETERS, *(() if operation in _OF_VERSIONS else ("versionid",))):
        if name in fields:
            raise not_simulated(f"the parameter {name}")
    unknown = _UNKNOWN_INCLUDES & set(fields.get("include", "").lower().split(","))
    if unknown:
        raise not_simulated(f"include={','.join(sorted(unknown))}")
    if fields.get("comp") == "pagelist" and {"maxresults", "marker"} & set(fields):
        raise not_simulated("paging of a page blob's ranges")


def _check_of_operations(headers: Mapping[str, str], operation: str) -> None:
    """Raise where a header stands with an operation that it does not belong to."""
    if COPY_SOURCE in headers and operation != "CopyBlob":
        raise not_simulated(f"the header {COPY_SOURCE}")
    if REHYDRATE_PRIORITY not in headers:
        return
    if operation not in _BRINGING_BACK:
        raise not_simulated(f"the header {REHYDRATE_PRIORITY}")
    if headers[REHYDRATE_PRIORITY] not in _PRIORITIES:
        raise StorageError(
            400,
            "InvalidHeaderValue",
            "The value for one of the HTTP headers is not in the correct format.",
        )
