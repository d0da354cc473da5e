"""Azure's built-in role definitions, as far as a VM backup meets them, and what a role permits."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_QUEUES = "Microsoft.Storage/storageAccounts/queueServices"
_BLOB_KEY = f"{_BLOBS}/generateUserDelegationKey/action"
_QUEUE_KEY = f"{_QUEUES}/generateUserDelegationKey/action"


@dataclass(frozen=True, slots=True)
class Permission:
    """What one entry of a role definition allows, in Azure's patterns."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def allows(self, action: str, *, data: bool) -> bool:
        """Tell whether *action* is allowed and not taken away again."""
        if data:
            return _covers(self.data_actions, action) and not _covers(self.not_data_actions, action)
        return _covers(self.actions, action) and not _covers(self.not_actions, action)

    def body(self) -> dict[str, list[str]]:
        """Return it as it stands in a role definition's JSON."""
        return {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": list(self.not_data_actions),
        }


@dataclass(frozen=True, slots=True)
class BuiltInRole:
    """A role definition that every subscription has."""

    guid: str
    name: str
    permission: Permission


BUILT_IN_ROLES = (
    BuiltInRole("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", Permission(("*",))),
    BuiltInRole(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        Permission(
            ("*",),
            (
                "Microsoft.Authorization/*/Delete",
                "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action",
            ),
        ),
    ),
    BuiltInRole("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", Permission(("*/read",))),
    BuiltInRole(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        Permission(("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*")),
    ),
    BuiltInRole(
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "Storage Blob Data Owner",
        Permission(
            (f"{_BLOBS}/containers/*", _BLOB_KEY),
            data_actions=(f"{_BLOBS}/containers/blobs/*",),
        ),
    ),
    BuiltInRole(
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "Storage Blob Data Contributor",
        Permission(
            (
                f"{_BLOBS}/containers/delete",
                f"{_BLOBS}/containers/read",
                f"{_BLOBS}/containers/write",
                _BLOB_KEY,
            ),
            data_actions=(
                f"{_BLOBS}/containers/blobs/delete",
                f"{_BLOBS}/containers/blobs/read",
                f"{_BLOBS}/containers/blobs/write",
                f"{_BLOBS}/containers/blobs/move/action",
                f"{_BLOBS}/containers/blobs/add/action",
            ),
        ),
    ),
    BuiltInRole(
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "Storage Blob Data Reader",
        Permission(
            (f"{_BLOBS}/containers/read", _BLOB_KEY),
            data_actions=(f"{_BLOBS}/containers/blobs/read",),
        ),
    ),
    BuiltInRole(
        "db58b8e5-c6ad-4a2a-8342-4190687cbf4a", "Storage Blob Delegator", Permission((_BLOB_KEY,))
    ),
    BuiltInRole(
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        "Storage Queue Data Contributor",
        Permission(
            (f"{_QUEUES}/queues/delete", f"{_QUEUES}/queues/read", f"{_QUEUES}/queues/write"),
            data_actions=(
                f"{_QUEUES}/queues/messages/delete",
                f"{_QUEUES}/queues/messages/read",
                f"{_QUEUES}/queues/messages/write",
                f"{_QUEUES}/queues/messages/process/action",
            ),
        ),
    ),
    BuiltInRole(
        "19e7f393-937e-4f77-808e-94535e297925",
        "Storage Queue Data Reader",
        Permission((f"{_QUEUES}/queues/read",), data_actions=(f"{_QUEUES}/queues/messages/read",)),
    ),
    BuiltInRole(
        "8a0f0c08-91a1-4084-bc3d-661d67233fed",
        "Storage Queue Data Message Processor",
        Permission(
            data_actions=(
                f"{_QUEUES}/queues/messages/read",
                f"{_QUEUES}/queues/messages/process/action",
            )
        ),
    ),
    BuiltInRole(
        "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
        "Storage Queue Data Message Sender",
        Permission(data_actions=(f"{_QUEUES}/queues/messages/add/action",)),
    ),
    BuiltInRole(
        "7ee386e9-84f0-448e-80a6-f185f6533131", "Storage Queue Delegator", Permission((_QUEUE_KEY,))
    ),
)


def _covers(patterns: Iterable[str], action: str) -> bool:
    # Azure knows one wildcard, `*`, which also matches slashes; fnmatch's `?` and `[` never occur
    # in the names of actions.
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
