"""Objects of our kinds in memory, as the API server keeps them.

Each write has a resourceVersion that no object ever had, a stale one conflicts, another spec is
another generation, a finalizer keeps what is deleted, and the CRD's schema holds: what it does not
name is refused, which the API server would drop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Generic, Literal

import jsonschema_rs
import msgspec
import yaml
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.redaction import shown
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.bounds import within_bounds
from vmbackup_operator.model.display import with_display
from vmbackup_operator.model.kinds import AnyResource, Resource
from vmbackup_operator.model.metadata import (
    EXCLUDE_FROM_CLUSTER_BACKUP,
    POLICY_LABEL,
    REPOSITORY_LABEL,
    ObjectKey,
)
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import repository_label
from vmbackup_operator.reconciling.outcome import Conflict

ROOT = Path(__file__).resolve().parents[2]

#: The most that the API server keeps of an Event's note.
MAX_NOTE_BYTES = 1000

_OF_A_VM = re.compile(
    r"(?i)/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/[^/]{1,90}"
    r"/providers/Microsoft[.]Compute/virtualMachines/[-\w.]{0,63}\w"
)


class MemoryObjects(Generic[AnyResource]):
    """The objects of one kind."""

    def __init__(self, kind: type[AnyResource], clock: TurnedClock) -> None:
        self.kind, self.clock = kind, clock
        self.stored: dict[ObjectKey, AnyResource] = {}
        self.meets: Callable[[str], None] = lambda _what: None
        #: The watch: what was written by others, and what has gone.
        self.watched: Callable[[AnyResource], object] = lambda _object: None
        self.gone: Callable[[ObjectKey], None] = lambda _key: None
        self.writes = self.version = 0
        #: An object that is not as its schema says.
        self.unreadable: ObjectKey | None = None
        self.created: list[str] = []
        self.deleted: list[str] = []

    def put(self, wanted: AnyResource) -> None:
        """Store what a user wrote: another spec is another generation."""
        before = self.stored.get(wanted.metadata.key)
        generation = 1
        if before is not None and before.metadata.uid == wanted.metadata.uid:
            generation = before.metadata.generation + (before.spec != wanted.spec)
        metadata = replace(wanted.metadata, generation=generation)
        self.watched(self.store(replace(wanted, metadata=metadata)))

    def request_deletion(self, key: ObjectKey) -> None:
        stored = self.stored[key]
        if not stored.metadata.finalizers:
            del self.stored[key]
            self.gone(key)
            return
        metadata = replace(stored.metadata, deletion_timestamp=self.clock.now())
        self.watched(self.store(replace(stored, metadata=metadata)))

    async def find(self, key: ObjectKey) -> AnyResource | None:
        return self.stored.get(key)

    async def all(self) -> Sequence[AnyResource]:
        return list(self.stored.values())

    async def all_readable(self) -> Sequence[AnyResource]:
        if self.unreadable is not None:
            raise PermanentError(f"{self.kind.kind} {self.unreadable}", reason="UnreadableObject")
        return list(self.stored.values())

    async def create(self, wanted: AnyResource) -> AnyResource:
        key = wanted.metadata.key
        if key not in self.stored:
            self.meets("before a session")
            metadata = replace(
                wanted.metadata,
                uid=f"uid-{self.version + 1}",
                generation=1,
                labels={**wanted.metadata.labels, **EXCLUDE_FROM_CLUSTER_BACKUP},
                creation_timestamp=self.clock.now().replace(microsecond=0),
            )
            # A status that comes along is dropped: it is a subresource.
            self.store(replace(wanted, metadata=metadata, status=type(wanted.status)()))
            self.created.append(key.name)
            self.meets("after a session")
        return self.stored[key]

    async def write_status(self, wanted: AnyResource) -> AnyResource:
        stored = self._current(wanted)
        if stored.status == wanted.status:
            return stored
        self.meets("before the status")
        written = self.store(replace(stored, status=wanted.status))
        self.writes += 1
        self.meets("after the status")
        return written

    async def write_finalizers(self, wanted: AnyResource) -> AnyResource:
        stored = self._current(wanted)
        finalizers = wanted.metadata.finalizers
        if stored.metadata.deletion_timestamp and set(finalizers) - set(stored.metadata.finalizers):
            raise _refused("no finalizer may be added any more")
        self.meets("before the finalizers")
        metadata = replace(stored.metadata, finalizers=finalizers)
        written = self.store(replace(stored, metadata=metadata))
        if written.metadata.deletion_timestamp and not finalizers:
            del self.stored[wanted.metadata.key]
            self.gone(wanted.metadata.key)
        self.meets("after the finalizers")
        return written

    async def delete(self, unwanted: AnyResource) -> None:
        stored = self.stored.get(unwanted.metadata.key)
        if stored is None or stored.metadata.uid != unwanted.metadata.uid:
            return
        self.deleted.append(unwanted.metadata.name)
        self.request_deletion(unwanted.metadata.key)

    def store(self, wanted: AnyResource) -> AnyResource:
        """Store the object as it is, whoever wrote it."""
        self.version += 1
        metadata = replace(wanted.metadata, resource_version=str(self.version))
        self.stored[wanted.metadata.key] = as_stored(replace(wanted, metadata=metadata))
        return self.stored[wanted.metadata.key]

    def _current(self, wanted: AnyResource) -> AnyResource:
        stored = self.stored.get(wanted.metadata.key)
        if stored is None or stored.metadata.resource_version != wanted.metadata.resource_version:
            raise Conflict(f"{self.kind.kind} {wanted.metadata.key}")
        return stored


class MemorySessions(MemoryObjects[BackupSession]):
    """BackupSessions: an outcome is final, phase and columns are computed, texts are cut."""

    def __init__(self, clock: TurnedClock) -> None:
        super().__init__(BackupSession, clock)

    def edit_spec(self, key: ObjectKey, **changes: object) -> None:
        session = self.stored[key]
        self.put(replace(session, spec=replace(session.spec, **changes)))

    @override
    def store(self, wanted: BackupSession) -> BackupSession:
        if _OF_A_VM.fullmatch(wanted.spec.virtual_machine_id) is None:  # by a rule, not the schema
            raise _refused("virtualMachineId must be the ARM id of a virtual machine")
        return super().store(wanted)

    @override
    async def write_status(self, wanted: BackupSession) -> BackupSession:
        bounded = with_display(replace(wanted, status=within_bounds(wanted.status)))
        stored = self._current(wanted)
        if stored.status.outcome not in {None, bounded.status.outcome}:
            raise _refused("an outcome is final")
        return await super().write_status(bounded)

    async def of_policy(self, policy: ObjectKey) -> Sequence[BackupSession]:
        return [
            each
            for each in self.stored.values()
            if each.metadata.namespace == policy.namespace
            and each.metadata.labels.get(POLICY_LABEL) == policy.name
        ]

    async def of_repository(self, repository: ObjectKey) -> Sequence[BackupSession]:
        label = repository_label(repository.name)
        return [
            each
            for each in self.stored.values()
            if each.metadata.namespace == repository.namespace
            and each.metadata.labels.get(REPOSITORY_LABEL) == label
            and each.spec.stored_in.key_from(repository.namespace) == repository
        ]

    async def unfinished(self) -> Sequence[BackupSession]:
        return [each for each in self.stored.values() if each.status.outcome is None]


class MemoryEnvironments:
    """RegionEnvironments: those of the operator's *namespace*, and looking at any."""

    def __init__(self, clock: TurnedClock, namespace: str) -> None:
        self.objects, self.namespace = MemoryObjects(RegionEnvironment, clock), namespace
        self.stored = self.objects.stored

    async def find(self, namespace: str, name: str) -> RegionEnvironment | None:
        return await self.objects.find(ObjectKey(namespace, name))

    async def list(self) -> Sequence[RegionEnvironment]:
        found = await self.objects.all()
        return [each for each in found if each.metadata.namespace == self.namespace]

    async def create(self, environment: RegionEnvironment) -> None:
        await self.objects.create(environment)

    async def write_status(self, environment: RegionEnvironment) -> None:
        await self.objects.write_status(environment)


class MemoryEvents:
    """Kubernetes Events; what was said of an object already is said once."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []
        self._said: set[tuple[str, str, str, str]] = set()

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Return what was told, without its type."""
        return [(reason, message) for _, reason, message in self.told]

    async def tell(
        self,
        about: Resource | Session,
        kind: Literal["Normal", "Warning"],
        reason: str,
        message: str,
    ) -> None:
        message = shown(message).encode()[:MAX_NOTE_BYTES].decode(errors="ignore")
        said = (about.metadata.uid, kind, reason, message)
        if said not in self._said:
            self._said.add(said)
            self.told.append((kind, reason, message))


def as_stored(wanted: AnyResource) -> AnyResource:
    """Return *wanted* as it comes back from the API server, which takes what the schema has."""
    sent = msgspec.json.encode(wanted)
    document = msgspec.json.decode(sent)
    for part, judge in _judges(type(wanted).plural).items():
        try:
            judge.validate(document[part])
        except jsonschema_rs.ValidationError as error:
            raise _refused(f"{type(wanted).kind} {wanted.metadata.key}: {error}") from error
    return msgspec.json.decode(sent, type=type(wanted))


def _refused(why: str) -> PermanentError:
    return PermanentError(why, reason="RefusedByCluster")


@cache
def _judges(plural: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load((ROOT / "crds" / f"{plural}.yaml").read_text(), loader)  # noqa: S506
    properties = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return {
        part: jsonschema_rs.Draft4Validator(_strict(properties[part]), validate_formats=True)
        for part in ("spec", "status")
        if part in properties
    }


def _strict(schema: Any) -> Any:
    """Return *schema* where what it does not name is refused; the API server would drop it."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if "properties" in strict and strict.get("type") == "object":
        strict["additionalProperties"] = False
    return strict
