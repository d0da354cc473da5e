"""Blobs in the Archive tier: they are not read, and it takes hours to bring one back.

Azurite keeps the tier and refuses reads, but brings a blob back at once and lets it be changed.
Here a blob on its way back stays in Azurite's Archive tier until its time has come.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from azure_simulator.pace import Pace
from azure_simulator.resources import Resources
from azure_simulator.storage.answers import Reply
from azure_simulator.storage.kept_versions import keeps_versions
from azure_simulator.storage.operations import COPY_SOURCE, REHYDRATE_PRIORITY
from azure_simulator.storage.upstream import Forwarded
from azure_simulator.storage.versioned_blobs import Asked
from azure_simulator.storage.wire import StorageError, invalid_header, not_simulated

#: How long Azure may take of what is below 10 GB: at either priority the most that it says.
TAKES_S: Final[Mapping[str, float]] = {"Standard": 15 * 3600.0, "High": 3600.0}

_TIER = "x-ms-access-tier"
_ARCHIVE = "Archive"
_ONLINE = frozenset({"Hot", "Cool", "Cold"})
_FOUND, _CREATED, _ACCEPTED, _MISSING = 200, 201, 202, 404

_PUTTING = frozenset({"PutBlob", "PutBlockList"})
#: What Azure refuses of a blob that is not online, beside having it replaced.
_OFFLINE = frozenset(
    {
        "AppendBlock",
        "GetBlob",
        "GetBlockList",
        "GetPageRanges",
        "PutBlock",
        "PutPage",
        "SetBlobMetadata",
        "SetBlobProperties",
        "SnapshotBlob",
    }
)

#: An account of one simulator, a container and a blob.
Key = tuple[str, str, str, str]
Then = Callable[[], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Rehydration:
    """A blob's way back into *tier*: *ends* is when it is there."""

    tier: str
    priority: str
    ends: float

    @property
    def status(self) -> str:
        """What Azure says of the blob meanwhile."""
        return f"rehydrate-pending-to-{self.tier.lower()}"


class ArchivedBlobs:
    """Knows which blobs are in the Archive tier, and answers what has to do with that."""

    def __init__(
        self, resources: Resources, pace: Pace, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._resources = resources
        self._pace = pace
        self._now = now
        self._archived: set[Key] = set()
        self._ways_back: dict[Key, Rehydration] = {}

    async def answer(self, asked: Asked, then: Then) -> Reply:
        """Have the request done by *then*, unless the tier of what it names says otherwise."""
        name = asked.target.operation.name
        await self._bring_back(asked)
        if name == "ListBlobs":
            return await self._list(asked, then)
        if name == "SetBlobTier":
            return await self._set_tier(asked, then)
        if name == "CopyBlob":
            return await self._copy(asked)
        if name in _OFFLINE or (name in _PUTTING and not asked.replaces_nothing):
            self._check_online(_key(asked))
        if name in _PUTTING and _header(asked, _TIER) == _ARCHIVE:
            self._check_archives(asked)
        reply = await then()
        self._note(asked, reply)
        return self._said(asked, reply)

    def _check_online(self, key: Key) -> None:
        if key in self._ways_back:
            raise _being_rehydrated()
        if key in self._archived:
            raise _archived()

    async def _bring_back(self, asked: Asked) -> None:
        """Have Azurite bring back what of the request's container is due."""
        for key, way in self._on_their_way(asked).items():
            if way.ends > self._now():
                continue
            path = f"/{quote(key[2])}/{quote(key[3])}"
            query, headers = [("comp", "tier")], {_TIER: way.tier, "Content-Length": "0"}
            reply = await _read(await asked.forward(Forwarded("blob", "PUT", path, query, headers)))
            if reply.status in (_FOUND, _ACCEPTED, _MISSING):
                self._forget(key)

    def _on_their_way(self, asked: Asked) -> dict[Key, Rehydration]:
        """Return what of the request's container is on its way back."""
        container = _key(asked)[:3]
        return {key: way for key, way in self._ways_back.items() if key[:3] == container}

    def _forget(self, key: Key) -> None:
        self._archived.discard(key)
        self._ways_back.pop(key, None)

    async def _set_tier(self, asked: Asked, then: Then) -> Reply:
        key, wanted = _key(asked), _header(asked, _TIER)
        if wanted == _ARCHIVE:
            self._check_archives(asked)
        if key not in self._archived or wanted not in _ONLINE:
            if key in self._ways_back:
                raise _being_rehydrated()
            reply = await then()
            if wanted == _ARCHIVE and reply.status in (_FOUND, _ACCEPTED):
                self._archived.add(key)
            return reply
        self._ways_back[key] = self._way_back(self._ways_back.get(key), wanted, asked)
        return Reply(_ACCEPTED, {"Content-Length": "0"})

    def _way_back(self, under_way: Rehydration | None, tier: str, asked: Asked) -> Rehydration:
        """Return the way back that is asked for; of one under way only the priority is raised."""
        priority = _header(asked, REHYDRATE_PRIORITY) or "Standard"
        ends = self._now() + self._pace.seconds(TAKES_S[priority])
        if under_way is None:
            return Rehydration(tier, priority, ends)
        if under_way.tier != tier:
            raise _being_rehydrated()
        if priority in {under_way.priority, "Standard"}:
            return under_way
        return Rehydration(tier, priority, min(ends, under_way.ends))

    async def _copy(self, asked: Asked) -> Reply:
        """Copy an archived blob of the same container into an online tier, in its own time."""
        source, key = _source(asked), _key(asked)
        await self._check_source(asked, source)
        self._check_online(key)
        tier = _header(asked, _TIER)
        if not tier:
            raise _archived()
        if tier not in _ONLINE:
            raise invalid_header(_TIER, tier)
        # It is not there to be read for a moment: Azurite puts the copy into the Archive tier.
        headers = {k: v for k, v in asked.request.headers.items() if k.lower() != _TIER}
        request = replace(asked.request, headers={**headers, _TIER: _ARCHIVE})
        reply = await asked.forward(request)
        if reply.status == _ACCEPTED:
            self._archived.add(key)
            self._ways_back[key] = self._way_back(None, tier, asked)
        return reply

    async def _check_source(self, asked: Asked, source: Key) -> None:
        if source in self._ways_back:
            raise _being_rehydrated()
        if source in self._archived:
            return
        path = f"/{quote(source[2])}/{quote(source[3])}"
        seen = await _read(await asked.forward(Forwarded("blob", "HEAD", path)))
        if seen.status == _MISSING:
            raise StorageError(404, "BlobNotFound", "The specified blob does not exist.")
        raise not_simulated("a copy of a blob that is not archived")

    def _check_archives(self, asked: Asked) -> None:
        """Raise where the account has no Archive tier, or nobody has looked at how it does."""
        sku = asked.resource.body.get("sku", {}).get("name", "")
        if "ZRS" in sku:
            raise not_simulated(f"the Archive tier of an account of {sku}, which has none in Azure")
        if keeps_versions(self._resources, asked.resource):
            raise not_simulated("the Archive tier where versions are kept")

    def _note(self, asked: Asked, reply: Reply) -> None:
        """Keep in mind what of the Archive tier the request has changed."""
        name = asked.target.operation.name
        if name in _PUTTING and reply.status == _CREATED and _header(asked, _TIER) == _ARCHIVE:
            self._archived.add(_key(asked))
        if name == "DeleteBlob" and reply.status == _ACCEPTED:
            self._forget(_key(asked))
        if name == "DeleteContainer" and reply.status == _ACCEPTED:
            container = _key(asked)[:3]
            for key in [each for each in self._archived if each[:3] == container]:
                self._forget(key)

    def _said(self, asked: Asked, reply: Reply) -> Reply:
        """Return the answer with what Azure says of a blob on its way back."""
        way = self._ways_back.get(_key(asked))
        if way is None or asked.target.operation.name != "GetBlobProperties":
            return reply
        more = {"x-ms-archive-status": way.status, REHYDRATE_PRIORITY: way.priority}
        return replace(reply, headers={**reply.headers, **more})

    async def _list(self, asked: Asked, then: Then) -> Reply:
        """Return the listing with which blobs are on their way back, and how quickly."""
        ways = {key[3]: way for key, way in self._on_their_way(asked).items()}
        reply = await then()
        if reply.status != _FOUND or not ways:
            return reply
        reply = await _read(reply)
        root = ET.fromstring(reply.body.decode("utf-8-sig"))  # noqa: S314 - Azurite's
        for element in root.iterfind("Blobs/Blob"):
            way, properties = ways.get(element.findtext("Name") or ""), element.find("Properties")
            if way is not None and properties is not None:
                ET.SubElement(properties, "ArchiveStatus").text = way.status
                ET.SubElement(properties, "RehydratePriority").text = way.priority
        text = ET.tostring(root, encoding="unicode")
        body = f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()
        headers = {k: v for k, v in reply.headers.items() if k.lower() != "content-length"}
        return Reply(_FOUND, {**headers, "Content-Length": str(len(body))}, body)


def _key(asked: Asked) -> Key:
    """Return what names the request's blob; an account made anew has another key."""
    account, target = asked.account, asked.target
    return account.name, account.key, target.container, target.item


def _source(asked: Asked) -> Key:
    """Return what a copy is of; raise where it is none that is simulated."""
    if _header(asked, "x-ms-requires-sync"):
        raise not_simulated("Copy Blob From URL")
    url = urlsplit(_header(asked, COPY_SOURCE))
    container, _, item = unquote(url.path).removeprefix("/").partition("/")
    account = asked.account
    if url.query or url.hostname != f"{account.name}.blob.core.windows.net":
        raise not_simulated("a copy from another account, by a SAS, of a version or snapshot")
    if container != asked.target.container:
        raise not_simulated("a copy from another container")
    return account.name, account.key, container, item


def _header(asked: Asked, name: str) -> str:
    return next((v for k, v in asked.request.headers.items() if k.lower() == name), "")


def _archived() -> StorageError:
    return StorageError(409, "BlobArchived", "This operation is not permitted on an archived blob.")


def _being_rehydrated() -> StorageError:
    return StorageError(
        409,
        "BlobBeingRehydrated",
        "This operation is not permitted because the blob is being rehydrated.",
    )


async def _read(reply: Reply) -> Reply:
    """Return the answer with its body read."""
    if reply.upstream is None:
        return reply
    try:
        return replace(reply, body=await reply.upstream.read(), upstream=None)
    finally:
        reply.upstream.release()
