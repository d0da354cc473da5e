"""The queue service's operations, as far as they are simulated: everything else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from azure_simulator.storage.operations import Need, Operation, Shape, Target, shapes
from azure_simulator.storage.wire import not_simulated

_SERVICE = "Microsoft.Storage/storageAccounts/queueServices"
_QUEUES = f"{_SERVICE}/queues"
_READ = Need(f"{_QUEUES}/messages/read")
_WRITE = Need(f"{_QUEUES}/messages/write")
_DELETE = Need(f"{_QUEUES}/messages/delete")
_ADD = Need(f"{_QUEUES}/messages/add/action")
_PROCESS = Need(f"{_QUEUES}/messages/process/action")


def _service(name: str, action: str, letters: str) -> Operation:
    roles = ((Need(f"{_SERVICE}/{action}", data=False),),)
    return Operation(name, "service", roles, account_sas=letters)


def _queue(name: str, action: str, letters: str = "", sas: str = "") -> Operation:
    roles = ((Need(f"{_QUEUES}/{action}", data=False),),)
    return Operation(name, "container", roles, sas, letters)


def _messages(name: str, letters: str, *roles: tuple[Need, ...], sas: str = "") -> Operation:
    return Operation(name, "object", roles, sas, letters)


USER_DELEGATION_KEY = _service("GetUserDelegationKey", "generateUserDelegationKey/action", "")
_PEEK = _messages("PeekMessages", "r", (_READ,), sas="r")

_SHAPES: Mapping[Shape, Operation] = {
    **shapes(_service("ListQueues", "queues/read", "l"), "GET", "service", comp="list"),
    **shapes(
        _service("GetQueueServiceProperties", "read", "r"),
        "GET",
        "service",
        "service",
        "properties",
    ),
    **shapes(USER_DELEGATION_KEY, "POST", "service", "service", "userdelegationkey"),
    **shapes(_queue("CreateQueue", "write", "cw"), "PUT", "queue"),
    **shapes(_queue("DeleteQueue", "delete", "d"), "DELETE", "queue"),
    **shapes(
        _queue("GetQueueMetadata", "read", "r", sas="r"), "GET HEAD", "queue", comp="metadata"
    ),
    **shapes(_queue("SetQueueMetadata", "write", "w"), "PUT", "queue", comp="metadata"),
    **shapes(_queue("GetQueueAcl", "getAcl/action"), "GET HEAD", "queue", comp="acl"),
    **shapes(
        _messages("GetMessages", "p", (_PROCESS,), (_READ, _DELETE), sas="p"), "GET", "messages"
    ),
    **shapes(_messages("PutMessage", "a", (_ADD,), (_WRITE,), sas="a"), "POST", "messages"),
    **shapes(_messages("ClearMessages", "d", (_DELETE,)), "DELETE", "messages"),
    **shapes(_messages("UpdateMessage", "u", (_WRITE,), sas="u"), "PUT", "message"),
    **shapes(
        _messages("DeleteMessage", "p", (_PROCESS,), (_DELETE,), sas="p"), "DELETE", "message"
    ),
}


def queue_target(method: str, path: str, query: Mapping[str, str]) -> Target:
    """Return what a request to the queue service does; raise where that is not simulated."""
    queue, _, rest = path.strip("/").partition("/")
    messages, _, message = rest.partition("/")
    if messages not in ("", "messages"):
        raise not_simulated(f"the path {path}")
    level = "service" if not queue else "queue" if not messages else "messages"
    if message:
        level = "message"
    comp, restype = query.get("comp", "").lower(), query.get("restype", "").lower()
    operation = _SHAPES.get((method, level, restype, comp))
    if operation is None:
        raise not_simulated(f"{method} of a {level} with restype={restype} and comp={comp}")
    if operation.name == "GetMessages" and query.get("peekonly", "").lower() == "true":
        operation = _PEEK
    return Target(operation, unquote(queue), unquote(message))
