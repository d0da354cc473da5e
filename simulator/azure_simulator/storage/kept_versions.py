"""The versions of blobs that an account keeps, and until when each is locked; nothing is asked.

Azurite has neither versions nor locks. So the newest version is what Azurite has, and all that
came before is kept here, in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

from azure_simulator.resources import Resource, Resources
from azure_simulator.storage.wire import StorageError, invalid_header, missing_header

Mode = Literal["Unlocked", "Locked"]

UNTIL_HEADER = "x-ms-immutability-policy-until-date"
MODE_HEADER = "x-ms-immutability-policy-mode"
#: The longest that Azure keeps an object: 400 years.
_LONGEST = timedelta(days=146_000)
#: So much of what was replaced or deleted is kept in memory, of one account.
_MOST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Policy:
    """Until when a version may be neither deleted nor changed; Unlocked can be taken off again."""

    until: datetime
    mode: Mode


@dataclass(frozen=True, slots=True)
class Version:
    """A version that is not the current one."""

    id: str
    content: bytes = field(repr=False)
    headers: Mapping[str, str]
    policy: Policy | None


@dataclass
class Blob:
    """One name: its current version's id and policy, and the versions before, the oldest first.

    *current* is empty where there is none, or where it was stored before versions were kept.
    """

    current: str = ""
    policy: Policy | None = None
    earlier: list[Version] = field(default_factory=list)
    #: Who replaces, deletes or locks does so one after the other.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def find(self, version: str) -> Version | None:
        """Return the earlier version of this id."""
        return next((each for each in self.earlier if each.id == version), None)


class KeptVersions:
    """The blobs of one account whose versions are kept, by container and name."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], Blob] = {}
        self._last = datetime.min.replace(tzinfo=UTC)

    def blob(self, container: str, name: str) -> Blob:
        """Return what is known of a name; nothing, where nothing was done to it."""
        return self._blobs.setdefault((container, name), Blob())

    def of(self, container: str, prefix: str) -> dict[str, Blob]:
        """Return what is known of names in *container* that begin with *prefix*."""
        return {
            name: blob
            for (within, name), blob in self._blobs.items()
            if within == container and name.startswith(prefix)
        }

    def new_id(self) -> str:
        """Return the id of a version that comes to be now: a time, later than any before."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")

    def has_room(self, size: int) -> bool:
        """Tell whether *size* more bytes can be kept."""
        kept = sum(len(each.content) for blob in self._blobs.values() for each in blob.earlier)
        return kept + size <= _MOST_BYTES


def keeps_versions(resources: Resources, account: Resource) -> bool:
    """Tell whether the account keeps versions: told to, or by what it says of immutability."""
    service = resources.find(f"{account.id}/blobServices/default")
    said = service is not None and service.properties.get("isVersioningEnabled") is True
    return said or is_immutable(account)


def keeps_locks(resources: Resources, account: Resource, container: str) -> bool:
    """Tell whether versions in *container* can be locked: said of it, or of the whole account."""
    if is_immutable(account):
        return True
    found = resources.find(f"{account.id}/blobServices/default/containers/{container}")
    return found is not None and is_immutable(found)


def is_immutable(resource: Resource) -> bool:
    """Tell whether an account or container was made for version-level immutability."""
    said = resource.properties.get("immutableStorageWithVersioning") or {}
    return said.get("enabled") is True


def wanted_policy(headers: Mapping[str, str], now: datetime) -> Policy:
    """Return the policy that a request asks for; raise where Azure takes no such one."""
    text, mode = headers.get(UNTIL_HEADER, ""), headers.get(MODE_HEADER, "Unlocked")
    if not text:
        raise missing_header(UNTIL_HEADER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        raise invalid_header(UNTIL_HEADER, text) from None
    if until.tzinfo is None or not now < until <= now + _LONGEST:
        raise invalid_header(UNTIL_HEADER, text)
    known: dict[str, Mode] = {"locked": "Locked", "unlocked": "Unlocked"}
    if mode.lower() not in known:
        raise invalid_header(MODE_HEADER, mode)
    return Policy(until, known[mode.lower()])


def check_change(there: Policy | None, wanted: Policy | None, now: datetime) -> None:
    """Raise where a policy that is Locked would be shortened, unlocked or taken off."""
    if there is None or there.mode != "Locked" or there.until <= now:
        return
    if wanted is None or wanted.mode != "Locked" or wanted.until < there.until:
        raise immutable()


def check_free(policy: Policy | None, now: datetime) -> None:
    """Raise where a version may not be deleted or changed yet, by whichever kind of policy."""
    if policy is not None and policy.until > now:
        raise immutable()


def immutable() -> StorageError:
    """Return the answer to whoever wants to delete or change what is locked."""
    message = "This operation is not permitted as the blob is immutable due to a policy."
    return StorageError(409, "BlobImmutableDueToPolicy", message)


def not_supported() -> StorageError:
    """Return the answer to whoever locks in a container that was not made for it."""
    message = "The operation is not supported in this scenario."
    return StorageError(409, "BlobOperationNotSupported", message)
