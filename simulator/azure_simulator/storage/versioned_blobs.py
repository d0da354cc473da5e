"""Blobs of accounts that keep versions: what is replaced or deleted is kept, what is locked stays.

As Azure has it: a policy belongs to one version. A current version that is locked is not deleted;
it may be replaced, and then it is an earlier one, locked as before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree.ElementTree import Element

from azure_simulator.resources import Resource, Resources
from azure_simulator.storage import version_listing
from azure_simulator.storage.answers import Reply
from azure_simulator.storage.kept_versions import (
    MODE_HEADER,
    UNTIL_HEADER,
    Blob,
    KeptVersions,
    Policy,
    Version,
    check_change,
    check_free,
    immutable,
    keeps_locks,
    keeps_versions,
    not_supported,
    wanted_policy,
)
from azure_simulator.storage.operations import Target
from azure_simulator.storage.upstream import Account, Forwarded
from azure_simulator.storage.wire import StorageError, not_simulated

#: Sends a request on, and returns Azurite's answer with its body unread.
Forward = Callable[[Forwarded], Awaitable[Reply]]

_CREATED, _ACCEPTED, _FOUND, _PARTIAL = 201, 202, 200, 206
_REPLACING = frozenset({"PutBlob", "PutBlockList"})
_READING = frozenset({"GetBlob", "GetBlobProperties"})
_POLICY = frozenset({"SetImmutabilityPolicy", "DeleteImmutabilityPolicy"})
#: What changes a version, or makes another one in Azure: refused of what is locked.
_CHANGING = frozenset(
    {"SetBlobMetadata", "SetBlobProperties", "SetBlobTags", "PutPage", "AppendBlock"}
)
#: What of it makes another version, which is not done here.
_MAKES_A_VERSION = frozenset({"SetBlobMetadata"})
_OWN_INCLUDES = frozenset({"versions", "immutabilitypolicy"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to an account, and the way to its Azurite.

    *new_only*: it replaces nothing, whatever it says.
    """

    resource: Resource
    account: Account
    target: Target
    request: Forwarded
    forward: Forward
    new_only: bool = False

    @property
    def fields(self) -> Mapping[str, str]:
        """The query's values by lower-case name."""
        return {name.lower(): value for name, value in self.request.query}

    @property
    def includes(self) -> frozenset[str]:
        """What a listing is to have beside names."""
        return frozenset(self.fields.get("include", "").lower().split(",")) - {""}

    @property
    def replaces_nothing(self) -> bool:
        """Whether the request fails where its name is taken."""
        headers = {name.lower(): value for name, value in self.request.headers.items()}
        return self.new_only or headers.get("if-none-match") == "*"


class VersionedBlobs:
    """Answers what has to do with versions; *now* is wall time."""

    def __init__(
        self, resources: Resources, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._resources = resources
        self._now = now
        self._kept: dict[tuple[str, str], KeptVersions] = {}

    async def answer(self, asked: Asked) -> Reply:
        """Have the request done."""
        name = asked.target.operation.name
        if not keeps_versions(self._resources, asked.resource):
            return await self._without(asked)
        kept = self._of(asked)
        if name == "ListBlobs":
            return await self._list(asked, kept)
        if name == "DeleteContainer":
            return await self._delete_container(asked, kept)
        if not asked.target.item:
            return await asked.forward(asked.request)
        return await self._of_blob(asked, kept)

    async def _of_blob(self, asked: Asked, kept: KeptVersions) -> Reply:
        name = asked.target.operation.name
        blob = kept.blob(asked.target.container, asked.target.item)
        if name in _READING:
            return await self._read(asked, blob)
        async with blob.turn:
            if name in _REPLACING:
                return await self._replace(asked, kept, blob)
            if name == "DeleteBlob":
                return await self._delete(asked, kept, blob)
            if name == "DeleteBlobVersion":
                return await self._delete_version(asked, blob)
            if name in _POLICY:
                return await self._set_policy(asked, blob)
            if name in _CHANGING:
                check_free(blob.policy, self._now())
            if name in _MAKES_A_VERSION:
                raise not_simulated(f"{name} where versions are kept")
            return await asked.forward(asked.request)

    def _of(self, asked: Asked) -> KeptVersions:
        """Return what is kept of the account; one made anew under its name has another key."""
        return self._kept.setdefault((asked.account.name, asked.account.key), KeptVersions())

    async def _without(self, asked: Asked) -> Reply:
        """Answer for an account that keeps none: each blob is all there is of it."""
        if asked.target.operation.name in _POLICY:
            raise not_supported()
        if "versionid" in asked.fields:
            raise not_simulated("the parameter versionid where no versions are kept")
        return await asked.forward(_without_includes(asked.request))

    async def _read(self, asked: Asked, blob: Blob) -> Reply:
        wanted = asked.fields.get("versionid")
        if wanted is not None and wanted != blob.current:
            version = blob.find(wanted)
            if version is None:
                raise _not_found()
            return _earlier(version, asked)
        reply = await asked.forward(_without(asked.request, "versionid"))
        if reply.status not in (_FOUND, _PARTIAL) or not blob.current:
            return reply
        headers = {"x-ms-version-id": blob.current, "x-ms-is-current-version": "true"}
        return replace(reply, headers={**reply.headers, **headers, **_said(blob.policy)})

    async def _replace(self, asked: Asked, kept: KeptVersions, blob: Blob) -> Reply:
        before = None if asked.replaces_nothing else await self._current(asked, kept, blob)
        reply = await asked.forward(asked.request)
        if reply.status != _CREATED:
            return reply
        if before is not None:
            blob.earlier.append(before)
        blob.current, blob.policy = kept.new_id(), None
        return replace(reply, headers={**reply.headers, "x-ms-version-id": blob.current})

    async def _delete(self, asked: Asked, kept: KeptVersions, blob: Blob) -> Reply:
        check_free(blob.policy, self._now())
        before = await self._current(asked, kept, blob)
        reply = await asked.forward(asked.request)
        if reply.status == _ACCEPTED:
            if before is not None:
                blob.earlier.append(before)
            blob.current, blob.policy = "", None
        return reply

    async def _delete_version(self, asked: Asked, blob: Blob) -> Reply:
        wanted = asked.fields["versionid"]
        if wanted == blob.current:
            check_free(blob.policy, self._now())
            reply = await asked.forward(_without(asked.request, "versionid"))
            if reply.status == _ACCEPTED:
                blob.current, blob.policy = "", None
            return reply
        version = blob.find(wanted)
        if version is None:
            raise _not_found()
        check_free(version.policy, self._now())
        blob.earlier.remove(version)
        return Reply(_ACCEPTED, {"Content-Length": "0"})

    async def _set_policy(self, asked: Asked, blob: Blob) -> Reply:
        container = asked.target.container
        if not keeps_locks(self._resources, asked.resource, container):
            raise not_supported()
        version = self._version_named(asked, blob)
        if version is None and not await self._is_there(asked):
            raise _not_found()
        there = blob.policy if version is None else version.policy
        wanted = None
        if asked.target.operation.name == "SetImmutabilityPolicy":
            wanted = wanted_policy(asked.request.headers, self._now())
        check_change(there, wanted, self._now())
        if version is None:
            blob.policy = wanted
        else:
            blob.earlier[blob.earlier.index(version)] = replace(version, policy=wanted)
        return Reply(_FOUND, {"Content-Length": "0", **_said(wanted)})

    def _version_named(self, asked: Asked, blob: Blob) -> Version | None:
        """Return the earlier version that is meant; None for the current one."""
        wanted = asked.fields.get("versionid")
        if wanted is None or wanted == blob.current:
            return None
        version = blob.find(wanted)
        if version is None:
            raise _not_found()
        return version

    async def _current(self, asked: Asked, kept: KeptVersions, blob: Blob) -> Version | None:
        """Return what Azurite has, as the earlier version that it becomes, or None."""
        reply = await asked.forward(Forwarded("blob", "GET", asked.request.path))
        content = await _body(reply)
        if reply.status != _FOUND:
            return None
        if not kept.has_room(len(content)):
            raise not_simulated("so many earlier versions")
        return Version(blob.current or kept.new_id(), content, reply.headers, blob.policy)

    async def _is_there(self, asked: Asked) -> bool:
        reply = await asked.forward(Forwarded("blob", "HEAD", asked.request.path))
        await _body(reply)
        return reply.status == _FOUND

    async def _delete_container(self, asked: Asked, kept: KeptVersions) -> Reply:
        container = asked.target.container
        if keeps_locks(self._resources, asked.resource, container):
            blobs = kept.of(container, "").values()
            if any(blob.current or blob.earlier for blob in blobs):
                raise immutable()
        return await asked.forward(asked.request)

    async def _list(self, asked: Asked, kept: KeptVersions) -> Reply:
        if not asked.includes & _OWN_INCLUDES:
            return await asked.forward(asked.request)
        container, prefix = asked.target.container, asked.fields.get("prefix", "")
        known = kept.of(container, prefix)
        if "versions" not in asked.includes:
            reply = await asked.forward(_without_includes(asked.request))
            page = await _body(reply)
            if reply.status != _FOUND:
                return replace(reply, body=page, upstream=None)
            return _xml(version_listing.with_locks(page, known))
        if "marker" in asked.fields or "delimiter" in asked.fields:
            raise not_simulated("paging or folders of a listing of versions")
        current = await self._all_pages(asked)
        locks = "immutabilitypolicy" in asked.includes
        return _xml(version_listing.with_versions(container, current, known, locks=locks))

    async def _all_pages(self, asked: Asked) -> list[Element]:
        found: list[Element] = []
        marker = ""
        while True:
            request = _without(_without_includes(asked.request), "maxresults")
            if marker:
                request = replace(request, query=[*request.query, ("marker", marker)])
            reply = await asked.forward(request)
            page = await _body(reply)
            if reply.status != _FOUND:
                raise StorageError(404, "ContainerNotFound", "The container does not exist.")
            blobs, marker = version_listing.blobs_of(page)
            found += blobs
            if not marker:
                return found


def _earlier(version: Version, asked: Asked) -> Reply:
    """Return the answer that has an earlier version, or the range of it that is asked for."""
    headers = {
        **{k: v for k, v in version.headers.items() if k.lower() != "content-length"},
        "x-ms-version-id": version.id,
        **_said(version.policy),
    }
    wanted = {k.lower(): v for k, v in asked.request.headers.items()}
    text = wanted.get("x-ms-range") or wanted.get("range")
    if asked.target.operation.name == "GetBlobProperties":
        return Reply(_FOUND, {**headers, "Content-Length": str(len(version.content))})
    if text is None:
        return Reply(
            _FOUND, {**headers, "Content-Length": str(len(version.content))}, version.content
        )
    size = len(version.content)
    first, last = _range(text, size)
    body = version.content[first : last + 1]
    headers |= {
        "Content-Length": str(len(body)),
        "Content-Range": f"bytes {first}-{last}/{size}",
    }
    return Reply(_PARTIAL, {k: v for k, v in headers.items() if k != "Content-MD5"}, body)


def _range(text: str, size: int) -> tuple[int, int]:
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first.isdecimal():
        raise not_simulated(f"the range {text}")
    if int(first) >= size:
        raise StorageError(416, "InvalidRange", "The range specified is invalid for the resource.")
    return int(first), min(int(last) if last else size - 1, size - 1)


def _said(policy: Policy | None) -> dict[str, str]:
    if policy is None:
        return {}
    return {
        UNTIL_HEADER: format_datetime(policy.until, usegmt=True),
        MODE_HEADER: policy.mode.lower(),
    }


def _not_found() -> StorageError:
    return StorageError(404, "BlobNotFound", "The specified blob does not exist.")


async def _body(reply: Reply) -> bytes:
    if reply.upstream is None:
        return reply.body
    try:
        return await reply.upstream.read()
    finally:
        reply.upstream.release()


def _xml(body: bytes) -> Reply:
    headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
    return Reply(_FOUND, headers, body)


def _without(request: Forwarded, parameter: str) -> Forwarded:
    query = [(name, value) for name, value in request.query if name.lower() != parameter]
    return replace(request, query=query)


def _without_includes(request: Forwarded) -> Forwarded:
    """Return the request without asking for what Azurite does not know."""
    query: Sequence[tuple[str, str]] = request.query
    kept: list[tuple[str, str]] = []
    for name, value in query:
        if name.lower() == "include":
            wanted = [each for each in value.split(",") if each.lower() not in _OWN_INCLUDES]
            if wanted:
                kept.append((name, ",".join(wanted)))
        else:
            kept.append((name, value))
    return replace(request, query=kept)
