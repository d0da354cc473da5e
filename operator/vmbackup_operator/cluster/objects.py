"""Our six kinds in Kubernetes, read and written as typed values."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Generic

import msgspec

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.cluster.connection import JSON, MERGE_PATCH, Connection
from vmbackup_operator.cluster.failures import AlreadyThere, NotThere
from vmbackup_operator.cluster.unchanged import Unchanged
from vmbackup_operator.model.kinds import AnyResource
from vmbackup_operator.model.metadata import (
    API_VERSION,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    GROUP,
    VERSION,
    Metadata,
    ObjectKey,
)
from vmbackup_operator.reconciling.outcome import Conflict

log = logging.getLogger(__name__)

#: How many objects are asked for at once, as Kubernetes' own clients do.
PAGE = 500


class Named(msgspec.Struct, frozen=True):
    """As much of an object as every kind has."""

    metadata: Metadata


class PageMetadata(msgspec.Struct, frozen=True, rename={"go_on": "continue"}):
    """Where a list goes on; empty at its end."""

    go_on: str = ""


class Page(msgspec.Struct, frozen=True):
    """Some of a list."""

    items: tuple[msgspec.Raw, ...]
    metadata: PageMetadata


class Objects(Generic[AnyResource]):
    """The objects of one kind.

    Every method may be called again; a write that is refused has changed nothing.
    """

    def __init__(self, connection: Connection, kind: type[AnyResource]) -> None:
        self._connection = connection
        self._kind = kind
        self._unchanged = Unchanged()
        self._unreadable: set[ObjectKey] = set()

    async def find(self, key: ObjectKey) -> AnyResource | None:
        """Return the object as it is stored, or None where there is none."""
        try:
            return self._read(await self._connection.send("GET", self._path(key)))
        except NotThere:
            return None

    async def listed(
        self, namespace: str | None = None, *, selectors: Mapping[str, str] | None = None
    ) -> tuple[AnyResource, ...]:
        """Return all, or those of *namespace*; *selectors* are the API server's own.

        That is ``{"labelSelector": "a=b"}`` or ``{"fieldSelector": "status.outcome="}``. One that
        can't be read is left out and said once: whoever wrote it must not stop all the others.
        """
        found: list[AnyResource] = []
        async for page in self.in_pages(namespace, selectors=selectors):
            found += page
        return tuple(found)

    async def in_pages(
        self, namespace: str | None = None, *, selectors: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[AnyResource, ...]]:
        """Yield what `listed` returns, some at a time: for whoever keeps little of each."""
        async for items in self._pages(namespace, selectors or {}):
            yield tuple(self._readable(items))

    async def all_readable(self) -> tuple[AnyResource, ...]:
        """Return all; raise PermanentError ``UnreadableObject`` that names one that can't be read.

        For whoever takes what is not listed for gone.
        """
        found: list[AnyResource] = []
        async for items in self._pages(None, {}):
            found += [self._decode_named(item) for item in items]
        return tuple(found)

    async def _pages(
        self, namespace: str | None, selectors: Mapping[str, str]
    ) -> AsyncIterator[tuple[msgspec.Raw, ...]]:
        query = {**selectors, "limit": str(PAGE)}
        while True:
            answer = await self._connection.send("GET", self._folder(namespace), query=query)
            page = msgspec.json.decode(answer, type=Page)
            yield page.items
            if not page.metadata.go_on:
                return
            query["continue"] = page.metadata.go_on

    async def create(self, wanted: AnyResource) -> AnyResource:
        """Create the object, marked for cluster backups to leave alone; return what is stored.

        Where one of that name is there already, it is returned as it is. The status is not written.
        """
        metadata = wanted.metadata
        marked: dict[str, object] = {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "labels": {**metadata.labels, **EXCLUDE_FROM_CLUSTER_BACKUP},
            "annotations": metadata.annotations,
            "finalizers": metadata.finalizers,
        }
        body = self._body(marked, spec=wanted.spec)
        try:
            return self._read(
                await self._connection.send("POST", self._folder(metadata.namespace), body=body)
            )
        except AlreadyThere:
            there = await self.find(metadata.key)
        if there is None:
            raise TransientError(f"{self._kind.kind} {metadata.key} went while it was looked at")
        return there

    async def write_status(self, wanted: AnyResource) -> AnyResource:
        """Replace the status and return what is stored; raise Conflict where it was stale.

        Nothing is sent where the status is what was last read under the same resourceVersion.
        """
        if self._unchanged.is_stored(wanted):
            return wanted
        body = self._body(_identity(wanted.metadata), spec=wanted.spec, status=wanted.status)
        return await self._write("PUT", wanted.metadata.key, body, part="/status")

    async def write_finalizers(self, wanted: AnyResource) -> AnyResource:
        """Replace the finalizers alone and return what is stored; raise Conflict where stale."""
        identity = _identity(wanted.metadata)
        body = {"metadata": {**identity, "finalizers": list(wanted.metadata.finalizers)}}
        return await self._write("PATCH", wanted.metadata.key, body)

    async def delete(self, gone: AnyResource) -> None:
        """Delete the object if it is still the one with this uid; gone already is no error."""
        await self.remove(gone.metadata.key, gone.metadata.uid)

    async def remove(self, key: ObjectKey, uid: str) -> None:
        """Delete the object of that name if it has this uid; gone already is no error."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
        }
        try:
            await self._connection.send("DELETE", self._path(key), body=body)
        except (NotThere, Conflict):
            return

    async def _write(
        self, method: str, key: ObjectKey, body: Mapping[str, object], *, part: str = ""
    ) -> AnyResource:
        content_type = MERGE_PATCH if method == "PATCH" else JSON
        path = self._path(key) + part
        try:
            answer = await self._connection.send(method, path, body=body, content_type=content_type)
        except NotThere as error:
            raise Conflict(f"{self._kind.kind} {key}") from error
        return self._read(answer)

    def _read(self, answer: bytes) -> AnyResource:
        stored = self._decode(answer)
        self._unchanged.remember(stored)
        return stored

    def _readable(self, items: Iterable[msgspec.Raw]) -> Iterator[AnyResource]:
        for item in items:
            try:
                yield self._decode(item)
            except PermanentError as error:
                key = msgspec.json.decode(item, type=Named).metadata.key
                if key not in self._unreadable:
                    self._unreadable.add(key)
                    log.warning("%s %s is passed over: %s", self._kind.kind, key, error)

    def _decode_named(self, document: msgspec.Raw) -> AnyResource:
        try:
            return self._decode(document)
        except PermanentError as error:
            key = msgspec.json.decode(document, type=Named).metadata.key
            message = f"{self._kind.kind} {key}: {error}"
            raise PermanentError(message, reason=error.reason) from error

    def _decode(self, document: bytes | msgspec.Raw) -> AnyResource:
        try:
            return msgspec.json.decode(document, type=self._kind)
        except msgspec.ValidationError as error:
            raise PermanentError(
                f"a stored {self._kind.kind} is not as its schema says: {error}",
                reason="UnreadableObject",
            ) from error

    def _body(self, metadata: Mapping[str, object], **parts: msgspec.Struct) -> dict[str, object]:
        rendered = {name: msgspec.to_builtins(part) for name, part in parts.items()}
        return {
            "apiVersion": API_VERSION,
            "kind": self._kind.kind,
            "metadata": metadata,
            **rendered,
        }

    def _folder(self, namespace: str | None) -> str:
        within = "" if namespace is None else f"/namespaces/{namespace}"
        return f"/apis/{GROUP}/{VERSION}{within}/{self._kind.plural}"

    def _path(self, key: ObjectKey) -> str:
        return f"{self._folder(key.namespace)}/{key.name}"


def _identity(metadata: Metadata) -> dict[str, str]:
    """Return what makes a write be refused where the object is another, or has changed."""
    return {
        "name": metadata.name,
        "namespace": metadata.namespace,
        "uid": metadata.uid,
        "resourceVersion": metadata.resource_version,
    }
