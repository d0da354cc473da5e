"""ARM ids as Azure compares them: part by part, without case, and case only of ASCII letters.

The one place where ids, names and words of Azure lose their case. Python's own lower() makes a k of
the Kelvin sign and its regular expressions an s of the long s; Azure keeps them apart, so whoever
names a group with such a letter must not pass for the owner of another one.
"""

from __future__ import annotations

import re
import string

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: What a part may be; it never ends in a dot, so that none is a step to somewhere else.
_PART = re.compile(r"[-\w.()$]*[-\w()]")

_SUBSCRIPTION_PARTS = 2
_GROUP_PARTS = 4
#: subscriptions, its id, resourceGroups, its name, providers, a namespace, a type, a name.
_RESOURCE_PARTS = 8


def folded(text: str) -> str:
    """Return *text* with its ASCII capitals as small letters, and nothing else changed."""
    # Of ASCII alone both are the same, and this is many times as fast.
    return text.lower() if text.isascii() else text.translate(_LOWER)


def same_id(one: str, other: str) -> bool:
    """Tell whether both are one resource; Azure writes ids in whatever case it likes."""
    return _parts(one) == _parts(other)


def lies_within(identity: str, scope: str) -> bool:
    """Tell whether *identity* is *scope* or lies below it; no where either is no ARM id."""
    inner, outer = _parts(identity), _parts(scope)
    return is_arm_id(identity) and is_arm_id(scope) and inner[: len(outer)] == outer


def is_within_group(identity: str, subscription_id: str, resource_group: str) -> bool:
    """Tell whether *identity* is that resource group or lies in it."""
    group = f"/subscriptions/{subscription_id}/resourceGroups/{resource_group}"
    return _parts(identity)[: len(_parts(group))] == _parts(group)


def is_arm_id(identity: str) -> bool:
    """Tell whether *identity* is the id of a subscription, a resource group or a resource."""
    root, *parts = _parts(identity)
    if root or not all(_PART.fullmatch(part) for part in parts):
        return False
    keys = parts[:_RESOURCE_PARTS:2][:3]
    if keys != ["subscriptions", "resourcegroups", "providers"][: len(keys)]:
        return False
    return _is_whole(parts) and _UUID.fullmatch(parts[1]) is not None


def container_id(account_id: str, container: str) -> str:
    """Return the ARM id of a blob container of the storage account *account_id*."""
    return f"{account_id.rstrip('/')}/blobServices/default/containers/{container}"


def _is_whole(parts: list[str]) -> bool:
    """Tell whether every type that the id names is followed by a name."""
    if len(parts) in {_SUBSCRIPTION_PARTS, _GROUP_PARTS}:
        return True
    return len(parts) >= _RESOURCE_PARTS and len(parts) % 2 == 0


def _parts(identity: str) -> list[str]:
    return folded(identity).rstrip("/").split("/")
