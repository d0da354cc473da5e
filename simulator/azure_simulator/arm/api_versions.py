"""Which `api-version` Azure knows for which resource type, and how it refuses another one.

Published versions, stable ones only: those of Microsoft's OpenAPI files, and with them those that
the SDKs and Azure CLI send. A version that is missing here is refused though Azure may know it.
"""

from __future__ import annotations

from collections.abc import Mapping

from azure_simulator.arm.errors import ArmError

_VIRTUAL_MACHINES = """
    2015-06-15 2016-03-30 2017-03-30 2017-12-01 2018-04-01 2018-06-01 2018-10-01 2019-03-01
    2019-07-01 2019-12-01 2020-06-01 2020-12-01 2021-03-01 2021-04-01 2021-07-01 2021-11-01
    2022-03-01 2022-08-01 2022-11-01 2023-03-01 2023-07-01 2023-09-01 2024-03-01 2024-07-01
    2024-11-01 2025-04-01 2026-04-01
"""
_DISKS = """
    2017-03-30 2018-04-01 2018-06-01 2018-09-30 2019-03-01 2019-07-01 2019-11-01 2020-05-01
    2020-06-30 2020-09-30 2020-12-01 2021-04-01 2021-08-01 2021-12-01 2022-03-02 2022-07-02
    2023-01-02 2023-04-02 2023-10-02 2024-03-02 2025-01-02 2026-03-02
"""
#: Disk accesses came with this version of the disk provider.
_FIRST_OF_DISK_ACCESSES = "2020-05-01"
#: And disk encryption sets with this one.
_FIRST_OF_ENCRYPTION_SETS = "2019-07-01"
_SKUS = "2017-03-30 2017-09-01 2019-04-01 2021-07-01"
_USER_IDENTITIES = "2018-11-30 2023-01-31 2024-11-30"
_NETWORK = """
    2015-06-15 2016-03-30 2016-06-01 2016-09-01 2016-12-01 2017-03-01 2017-06-01 2017-08-01
    2017-09-01 2017-10-01 2017-11-01 2018-01-01 2018-02-01 2018-04-01 2018-06-01 2018-07-01
    2018-08-01 2018-10-01 2018-11-01 2018-12-01 2019-02-01 2019-04-01 2019-06-01 2019-07-01
    2019-08-01 2019-09-01 2019-11-01 2019-12-01 2020-03-01 2020-04-01 2020-05-01 2020-06-01
    2020-07-01 2020-08-01 2020-11-01 2021-02-01 2021-03-01 2021-05-01 2021-08-01 2022-01-01
    2022-05-01 2022-07-01 2022-09-01 2022-11-01 2023-02-01 2023-04-01 2023-05-01 2023-06-01
    2023-09-01 2023-11-01 2024-01-01 2024-03-01 2024-05-01 2024-07-01 2024-10-01 2025-01-01
    2025-03-01 2025-05-01 2025-07-01 2026-03-01
"""
#: Private endpoints and their zone groups came with these versions of the network provider.
_FIRST_OF_PRIVATE_ENDPOINTS = "2019-04-01"
_FIRST_OF_ZONE_GROUPS = "2020-03-01"
_PRIVATE_DNS = "2018-09-01 2020-01-01 2020-06-01 2024-06-01"
_STORAGE = """
    2015-06-15 2016-01-01 2016-05-01 2016-12-01 2017-06-01 2017-10-01 2018-02-01 2018-07-01
    2018-11-01 2019-04-01 2019-06-01 2021-01-01 2021-02-01 2021-04-01 2021-06-01 2021-08-01
    2021-09-01 2022-05-01 2022-09-01 2023-01-01 2023-04-01 2023-05-01 2024-01-01 2025-01-01
    2025-06-01 2025-08-01 2026-09-01
"""
_FIRST_OF_BLOB_SERVICES = "2018-07-01"
_FIRST_OF_QUEUE_SERVICES = "2019-06-01"
_FIRST_OF_STORAGE_PRIVATE_LINK = "2019-06-01"
_ROLE_ASSIGNMENTS = """
    2015-07-01 2018-01-01-preview 2018-09-01-preview 2020-04-01-preview 2020-08-01-preview
    2020-10-01-preview 2022-04-01
"""
_ROLE_DEFINITIONS = "2015-07-01 2018-01-01-preview 2018-07-01 2022-04-01 2022-05-01-preview"
_RESOURCES = """
    2015-11-01 2016-02-01 2016-06-01 2016-07-01 2016-09-01 2017-05-10 2018-02-01 2018-05-01
    2019-03-01 2019-05-01 2019-05-10 2019-06-01 2019-07-01 2019-08-01 2019-10-01 2019-11-01
    2020-01-01 2020-06-01 2020-08-01 2020-10-01 2021-01-01 2021-04-01 2022-09-01 2022-12-01
    2023-07-01 2024-03-01 2024-07-01 2024-11-01 2025-04-01
"""


def _versions(text: str, since: str = "") -> tuple[str, ...]:
    return tuple(version for version in text.split() if version >= since)


#: By type, lower case; one that is not here has those of what it is a child of.
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "microsoft.authorization/roleassignments": _versions(_ROLE_ASSIGNMENTS),
    "microsoft.authorization/roledefinitions": _versions(_ROLE_DEFINITIONS),
    "microsoft.compute": _versions(_VIRTUAL_MACHINES),
    "microsoft.compute/diskaccesses": _versions(_DISKS, _FIRST_OF_DISK_ACCESSES),
    "microsoft.compute/diskencryptionsets": _versions(_DISKS, _FIRST_OF_ENCRYPTION_SETS),
    "microsoft.compute/disks": _versions(_DISKS),
    "microsoft.compute/locations/diskoperations": _versions(_DISKS),
    "microsoft.compute/skus": _versions(_SKUS),
    "microsoft.compute/snapshots": _versions(_DISKS),
    "microsoft.managedidentity/userassignedidentities": _versions(_USER_IDENTITIES),
    "microsoft.network": _versions(_NETWORK),
    "microsoft.network/privatednsoperationresults": _versions(_PRIVATE_DNS),
    "microsoft.network/privatednsoperationstatuses": _versions(_PRIVATE_DNS),
    "microsoft.network/privatednszones": _versions(_PRIVATE_DNS),
    "microsoft.network/privateendpoints": _versions(_NETWORK, _FIRST_OF_PRIVATE_ENDPOINTS),
    "microsoft.network/privateendpoints/privatednszonegroups": _versions(
        _NETWORK, _FIRST_OF_ZONE_GROUPS
    ),
    "microsoft.resources": _versions(_RESOURCES),
    "microsoft.storage": _versions(_STORAGE),
    "microsoft.storage/storageaccounts/blobservices": _versions(_STORAGE, _FIRST_OF_BLOB_SERVICES),
    "microsoft.storage/storageaccounts/privateendpointconnections": _versions(
        _STORAGE, _FIRST_OF_STORAGE_PRIVATE_LINK
    ),
    "microsoft.storage/storageaccounts/privatelinkresources": _versions(
        _STORAGE, _FIRST_OF_STORAGE_PRIVATE_LINK
    ),
    "microsoft.storage/storageaccounts/queueservices": _versions(
        _STORAGE, _FIRST_OF_QUEUE_SERVICES
    ),
}


def versions_of(kind: str) -> tuple[str, ...]:
    """Return the versions known for resource type *kind*, oldest first; none for a strange one."""
    at = kind.lower()
    while at not in _KNOWN and "/" in at:
        at = at.rpartition("/")[0]
    return _KNOWN.get(at, ())


def check_version(kind: str, asked: str, region: str) -> None:
    """Refuse a version that Azure does not know for resource type *kind*.

    *region* is where the resource is or shall be, empty for what has none.
    """
    known = versions_of(kind)
    if asked.lower() in known:
        return
    listed = ", ".join(known)
    namespace, _, short = kind.partition("/")
    if namespace == "Microsoft.Resources":
        message = f"The api-version '{asked}' is invalid. The supported versions are '{listed}'."
        raise ArmError(400, "InvalidApiVersionParameter", message, gateway=True)
    if not region:
        message = (
            f"The resource type '{short}' could not be found in the namespace '{namespace}' for "
            f"api version '{asked}'. The supported api-versions are '{listed}'."
        )
        raise ArmError(400, "InvalidResourceType", message, gateway=True)
    message = (
        f"No registered resource provider found for location '{region}' and API version "
        f"'{asked}' for type '{short}'. The supported api-versions are '{listed}'."
    )
    raise ArmError(400, "NoRegisteredProviderFound", message, gateway=True)
