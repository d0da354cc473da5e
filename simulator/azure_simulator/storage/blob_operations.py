"""The blob service's operations, as far as they are simulated: everything else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from azure_simulator.storage.operations import Need, Operation, Shape, Target, shapes
from azure_simulator.storage.wire import not_simulated

_SERVICE = "Microsoft.Storage/storageAccounts/blobServices"
_CONTAINERS = f"{_SERVICE}/containers"
_WRITE = Need(f"{_CONTAINERS}/blobs/write")
_ADD = Need(f"{_CONTAINERS}/blobs/add/action")
_READ = Need(f"{_CONTAINERS}/blobs/read")
#: Sets policies and takes Unlocked ones off.
_LOCK = Need(f"{_CONTAINERS}/blobs/immutableStorage/runAsSuperUser/action")


def _service(name: str, action: str, letters: str) -> Operation:
    roles = ((Need(f"{_SERVICE}/{action}", data=False),),)
    return Operation(name, "service", roles, account_sas=letters)


def _container(name: str, action: str, letters: str = "") -> Operation:
    roles = ((Need(f"{_CONTAINERS}/{action}", data=False),),)
    return Operation(name, "container", roles, account_sas=letters)


def _blob(name: str, letters: str, *needs: Need) -> Operation:
    return Operation(name, "object", tuple((need,) for need in needs), letters, letters)


def _creating(name: str) -> Operation:
    return Operation(name, "object", ((_WRITE,), (_ADD,)), "cw", "cw", ("w", _WRITE))


USER_DELEGATION_KEY = _service("GetUserDelegationKey", "generateUserDelegationKey/action", "")
_LIST_BLOBS = Operation("ListBlobs", "container", ((_READ,),), "l", "l")

_SHAPES: Mapping[Shape, Operation] = {
    **shapes(_service("ListContainers", "containers/read", "l"), "GET", "service", comp="list"),
    **shapes(
        _service("GetBlobServiceProperties", "read", "r"), "GET", "service", "service", "properties"
    ),
    **shapes(USER_DELEGATION_KEY, "POST", "service", "service", "userdelegationkey"),
    **shapes(
        _service("GetAccountInformation", "getInfo/action", "rl"),
        "GET HEAD",
        "service",
        "account",
        "properties",
    ),
    **shapes(_container("CreateContainer", "write", "cw"), "PUT", "container", "container"),
    **shapes(
        _container("GetContainerProperties", "read", "r"), "GET HEAD", "container", "container"
    ),
    **shapes(
        _container("GetContainerMetadata", "read", "r"),
        "GET HEAD",
        "container",
        "container",
        "metadata",
    ),
    **shapes(
        _container("SetContainerMetadata", "write", "w"),
        "PUT",
        "container",
        "container",
        "metadata",
    ),
    **shapes(
        _container("GetContainerAcl", "getAcl/action"), "GET HEAD", "container", "container", "acl"
    ),
    **shapes(_container("DeleteContainer", "delete", "d"), "DELETE", "container", "container"),
    **shapes(_container("LeaseContainer", "write", "w"), "PUT", "container", "container", "lease"),
    **shapes(_LIST_BLOBS, "GET", "container", "container", "list"),
    **shapes(_blob("GetBlob", "r", _READ), "GET", "object"),
    **shapes(_blob("GetBlobProperties", "r", _READ), "HEAD", "object"),
    **shapes(_blob("GetBlobMetadata", "r", _READ), "GET HEAD", "object", comp="metadata"),
    **shapes(_blob("GetBlockList", "r", _READ), "GET", "object", comp="blocklist"),
    **shapes(_blob("GetPageRanges", "r", _READ), "GET", "object", comp="pagelist"),
    **shapes(
        _blob("GetBlobTags", "t", Need(f"{_CONTAINERS}/blobs/tags/read")),
        "GET",
        "object",
        comp="tags",
    ),
    **shapes(
        _blob("SetBlobTags", "t", Need(f"{_CONTAINERS}/blobs/tags/write")),
        "PUT",
        "object",
        comp="tags",
    ),
    **shapes(_creating("PutBlob"), "PUT", "object"),
    **shapes(_blob("PutBlock", "w", _WRITE), "PUT", "object", comp="block"),
    **shapes(_blob("PutBlockList", "w", _WRITE), "PUT", "object", comp="blocklist"),
    **shapes(_blob("PutPage", "w", _WRITE), "PUT", "object", comp="page"),
    **shapes(_blob("AppendBlock", "aw", _WRITE, _ADD), "PUT", "object", comp="appendblock"),
    **shapes(_blob("SetBlobProperties", "w", _WRITE), "PUT", "object", comp="properties"),
    **shapes(_blob("SetBlobMetadata", "w", _WRITE), "PUT", "object", comp="metadata"),
    **shapes(_blob("SetBlobTier", "w", _WRITE), "PUT", "object", comp="tier"),
    **shapes(_blob("LeaseBlob", "w", _WRITE), "PUT", "object", comp="lease"),
    **shapes(_blob("SnapshotBlob", "cw", _WRITE, _ADD), "PUT", "object", comp="snapshot"),
    **shapes(_blob("DeleteBlob", "d", Need(f"{_CONTAINERS}/blobs/delete")), "DELETE", "object"),
    **shapes(
        _blob("SetImmutabilityPolicy", "i", _LOCK), "PUT", "object", comp="immutabilitypolicies"
    ),
    **shapes(
        _blob("DeleteImmutabilityPolicy", "i", _LOCK),
        "DELETE",
        "object",
        comp="immutabilitypolicies",
    ),
}
#: Of the same account: who copies by a token may read the source. By a SAS it is not simulated.
_COPY = Operation(
    "CopyBlob", "object", ((_WRITE, _READ), (_ADD, _READ)), overwrites_by=("w", _WRITE)
)
_DELETE_VERSION = _blob(
    "DeleteBlobVersion", "x", Need(f"{_CONTAINERS}/blobs/deleteBlobVersion/action")
)


def blob_target(method: str, path: str, query: Mapping[str, str]) -> Target:
    """Return what a request to the blob service does; raise where that is not simulated."""
    container, _, blob = path.removeprefix("/").partition("/")
    level = "object" if blob else "container" if container else "service"
    comp, restype = query.get("comp", "").lower(), query.get("restype", "").lower()
    operation = _SHAPES.get((method, level, restype, comp))
    if operation is None:
        raise not_simulated(f"{method} of a {level} with restype={restype} and comp={comp}")
    if operation.name == "DeleteBlob" and "versionid" in query:
        operation = _DELETE_VERSION
    return Target(operation, unquote(container), unquote(blob))


def copying(target: Target) -> Target:
    """Return what the request does where it names a source to copy from."""
    if target.operation.name != "PutBlob":
        raise not_simulated(f"{target.operation.name} from a URL")
    return replace(target, operation=_COPY)
