"""The cluster as a command sees it: typed objects of one place, read with the user's own rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_operator.cluster.connection import MERGE_PATCH, Connection, connected
from vmbackup_operator.cluster.failures import NotThere
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.kubectl_plugin.any_session import AnySession, kind_and_name
from vmbackup_operator.kubectl_plugin.place import Place
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.kinds import AnyResource, Resource
from vmbackup_operator.model.metadata import GROUP, VERSION, ObjectKey
from vmbackup_operator.model.restore_session import RestoreSession


class NamedMetadata(msgspec.Struct, frozen=True):
    """The name that the API server has given."""

    name: str


class Named(msgspec.Struct, frozen=True):
    """As much of a created object as names it."""

    metadata: NamedMetadata


class Cluster:
    """Reads and writes objects; what the user may not read is passed over where that is said."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self.connection = connection
        self.place = place
        #: What lists have left out, and why, in words.
        self.left_out: list[str] = []

    async def listed(
        self, kind: type[AnyResource], selectors: dict[str, str] | None = None
    ) -> tuple[AnyResource, ...]:
        """Return the objects of the place; raise PermanentError where they may not be read."""
        objects = Objects(self.connection, kind)
        return await objects.listed(self.place.listed, selectors=selectors)

    async def listed_at(self, kind: type[AnyResource], namespace: str) -> tuple[AnyResource, ...]:
        """Return the objects of one namespace, whatever the place's lists are of."""
        return await Objects(self.connection, kind).listed(namespace)

    async def listed_if_allowed(self, kind: type[AnyResource]) -> tuple[AnyResource, ...]:
        """Return the same, or nothing where they may not be read: `left_out` says it then."""
        try:
            return await self.listed(kind)
        except PermanentError as error:
            if error.reason != "NotAuthorized":
                raise
            self.left_out.append(f"{kind.plural}: you may not list them")
            return ()

    def refuse_blindness(self, kinds: int) -> None:
        """Raise PermanentError where none of so many kinds could be listed."""
        if len(self.left_out) == kinds:
            where = self.place.listed or "all namespaces"
            raise PermanentError(f"{where}: {'; '.join(self.left_out)}", reason="NotAuthorized")

    async def get(self, kind: type[AnyResource], name: str) -> AnyResource:
        """Return the object of that name in the place's namespace."""
        found = await self.find(kind, name)
        if found is None:
            raise PermanentError(f"there is no {self._called(kind, name)}", reason="ObjectNotFound")
        return found

    async def find(self, kind: type[AnyResource], name: str) -> AnyResource | None:
        """Return the same, or None where there is none."""
        return await Objects(self.connection, kind).find(self._key(name))

    async def get_session(self, name: str) -> AnySession:
        """Return the session, of either kind, that *name* is: ``NAME``, ``bses/`` or ``rses/``."""
        kind, name = kind_and_name(name)
        if kind is not None:
            return await self.get(kind, name)
        backup = await self._find_if_allowed(BackupSession, name)
        restore = await self._find_if_allowed(RestoreSession, name)
        if backup is not None and restore is not None:
            raise PermanentError(
                f"{self._key(name)} is a backup and a restore", reason="AmbiguousName"
            )
        found = backup or restore
        if found is None:
            notes = "".join(f" ({each})" for each in self.left_out)
            raise PermanentError(
                f"there is no session {self._key(name)}{notes}", reason="ObjectNotFound"
            )
        return found

    async def _find_if_allowed(self, kind: type[AnyResource], name: str) -> AnyResource | None:
        try:
            return await self.find(kind, name)
        except PermanentError as error:
            if error.reason != "NotAuthorized":
                raise
            self.left_out.append(f"{kind.plural}: you may not read them")
            return None

    async def annotate(self, of: Resource, annotation: str, value: str) -> None:
        """Give the object that annotation, over the one that it has."""
        await self._merge(of, {"metadata": {"annotations": {annotation: value}}})

    async def cancel(self, session: AnySession) -> None:
        """Set the session's ``spec.cancel``."""
        await self._merge(session, {"spec": {"cancel": True}})

    async def _merge(self, of: Resource, patch: dict[str, object]) -> None:
        path = f"{self._folder(type(of), of.metadata.namespace)}/{of.metadata.name}"
        try:
            await self.connection.send("PATCH", path, body=patch, content_type=MERGE_PATCH)
        except NotThere as error:
            called = f"{of.kind} {of.metadata.key}"
            raise PermanentError(f"there is no {called}", reason="ObjectNotFound") from error

    async def create(
        self, kind: type[Resource], manifest: dict[str, object], *, dry: bool = False
    ) -> str:
        """Create the object, or have it judged only; return its name."""
        query = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry else {})}
        folder = self._folder(kind, self.place.namespace)
        answer = await self.connection.send("POST", folder, query=query, body=manifest)
        return msgspec.json.decode(answer, type=Named).metadata.name

    def _key(self, name: str) -> ObjectKey:
        return ObjectKey(self.place.namespace, name)

    def _called(self, kind: type[AnyResource], name: str) -> str:
        return f"{kind.kind} {self._key(name)}"

    @staticmethod
    def _folder(kind: type[Resource], namespace: str) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{kind.plural}"


@asynccontextmanager
async def cluster_at(place: Place) -> AsyncIterator[Cluster]:
    """Connect to the cluster of *place*."""
    async with connected(
        place.kubeconfig, context=place.context, caller="kubectl-vmbackup"
    ) as connection:
        yield Cluster(connection, place)
