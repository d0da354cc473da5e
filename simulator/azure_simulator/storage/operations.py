"""What a request to a storage service does, and which rights each way of asking for it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

StorageService = Literal["blob", "queue"]
#: The headers that say what is copied, and how quickly an archived blob comes back.
COPY_SOURCE, REHYDRATE_PRIORITY = "x-ms-copy-source", "x-ms-rehydrate-priority"

#: What an account SAS calls them (``srt``): s, c and o.
Level = Literal["service", "container", "object"]


@dataclass(frozen=True, slots=True)
class Need:
    """An RBAC action; *data* tells data actions from those of the control plane."""

    action: str
    data: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a storage service, named as in Azure's reference.

    *roles* lists alternatives, each a set of actions that are all needed. *sas* and *account_sas*
    hold the permission letters of which one is needed; without any, no such SAS will do.
    *overwrites_by* is the letter and the action that let replace what is there, where the others
    let create only.
    """

    name: str
    level: Level
    roles: tuple[tuple[Need, ...], ...]
    sas: str = ""
    account_sas: str = ""
    overwrites_by: tuple[str, Need] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a request names: a container or queue, and an object in it."""

    operation: Operation
    container: str = ""
    item: str = ""


#: Method, level, restype and comp.
Shape = tuple[str, str, str, str]


def shapes(
    operation: Operation, methods: str, level: str, restype: str = "", comp: str = ""
) -> Mapping[Shape, Operation]:
    """Return the shapes of request that mean *operation*, one for each of *methods*."""
    return {(method, level, restype, comp): operation for method in methods.split()}
