"""What operator and agent tell each other: the payloads of docs/worker-protocol.md, section 3."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Union

import msgspec
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import (
    ChainId,
    CommitSlot,
    DiskUniqueId,
    JobId,
    RunId,
    SnapshotUniqueId,
    WorkerId,
)
from vmbackup_core.protocol.limits import DISKS, FAILURE_CHARS
from vmbackup_core.protocol.redaction import without_secrets

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2_048)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)]
Count = Annotated[int, msgspec.Meta(ge=0)]
#: Told from the disk's other snapshots by it; never empty.
SnapshotTold = Annotated[SnapshotUniqueId, msgspec.Meta(min_length=1, max_length=256)]
Reason = Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Za-z0-9]{0,63}$")]
CommitKind = Literal["full", "incremental"]


class _Value(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of a message."""


class _Message(_Value, frozen=True, tag_field="kind"):
    """What a message's payload is; `kind` tells which."""


class Predecessor(_Value, frozen=True):
    """The commit that an incremental goes on from, and its snapshot."""

    slot: CommitSlot
    snapshot_url: Url

    @override
    def __repr__(self) -> str:
        """Leave out the SAS."""
        return f"Predecessor({self.slot})"


class DiskToBackUp(_Value, frozen=True):
    """One disk of a backup job; *chain_keys* are this chain's only."""

    disk_id: Text
    name: Text
    lun: int | None
    size_bytes: Count
    unique_id: DiskUniqueId
    snapshot_id: Text
    snapshot_unique_id: SnapshotTold
    snapshot_url: Url
    chain_id: ChainId
    chain_keys: Text
    block_bytes: Annotated[int, msgspec.Meta(gt=0)]
    previous: Predecessor | None = None

    @override
    def __repr__(self) -> str:
        """Leave out what is secret: reprs end up in logs."""
        return f"DiskToBackUp({self.disk_id})"


class RepositoryAccess(_Value, frozen=True):
    """The way to the repository: its container with a SAS that may create, read and list."""

    container_url: Url

    @override
    def __repr__(self) -> str:
        """Leave out the SAS."""
        return f"RepositoryAccess({self.container_url.split('?', 1)[0]})"


class ConversationAccess(_Value, frozen=True):
    """Fresh ways to the worker's two queues, since a job may outlive the ones of its launch."""

    jobs_url: Url
    events_url: Url

    @override
    def __repr__(self) -> str:
        """Leave out the SAS."""
        return "ConversationAccess()"


class BackupJob(_Message, frozen=True, tag="backup"):
    """Back up *disks*; the same job again, with a higher sequence number, brings fresh SAS."""

    job_id: JobId
    run_id: RunId
    disks: Annotated[list[DiskToBackUp], msgspec.Meta(min_length=1, max_length=DISKS)]
    repository: RepositoryAccess
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    conversation: ConversationAccess | None = None


class Shutdown(_Message, frozen=True, tag="shutdown"):
    """Give up what is running and end."""

    job_id: JobId


class Overflow(_Message, frozen=True, tag="overflow"):
    """Where the payload lies that is too large for the queue: sealed, in one blob, by SAS."""

    url: Url
    size_bytes: Count
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

    @override
    def __repr__(self) -> str:
        """Leave out the SAS."""
        return f"Overflow({self.url.split('?', 1)[0]})"


class Hello(_Message, frozen=True, tag="hello"):
    """The agent has started."""

    worker_id: WorkerId
    agent: Text
    bundle_id: Text
    python: Text
    started_at: datetime


class Heartbeat(_Message, frozen=True, tag="heartbeat"):
    """The agent lives; *job_id* is what it is at."""

    worker_id: WorkerId
    agent: Text
    bundle_id: Text
    python: Text
    started_at: datetime
    job_id: JobId | None = None


class Progress(_Message, frozen=True, tag="progress"):
    """How far a job is, in totals over its disks."""

    job_id: JobId
    bytes_to_read: Count
    bytes_read: Count
    bytes_stored: Count
    disk: str | None = None


class DiskDone(_Value, frozen=True):
    """What a disk's commit holds and what it took."""

    disk_id: Text
    slot: CommitSlot
    commit_digest: Text
    kind: CommitKind
    read_bytes: Count
    stored_bytes: Count
    blocks_new: Count
    blocks_reused: Count
    blocks_zero: Count
    allocated_bytes: Count
    seconds: float


class Done(_Message, frozen=True, tag="done"):
    """Every disk of the job is committed."""

    job_id: JobId
    disks: Annotated[list[DiskDone], msgspec.Meta(max_length=DISKS)]


class Failed(_Message, frozen=True, tag="failed"):
    """The job ended without its result; *transient*: asking again may help."""

    job_id: JobId
    reason: Reason
    message: Annotated[str, msgspec.Meta(max_length=FAILURE_CHARS)]
    transient: bool
    disk_id: str | None = None


#: ``Union``: read at run time by msgspec, on 3.10 too.
Job = Union[BackupJob, Shutdown]  # noqa: UP007 - evaluated at run time on 3.10
JobOrPointer = Union[BackupJob, Shutdown, Overflow]  # noqa: UP007 - evaluated at run time on 3.10
Event = Union[Hello, Heartbeat, Progress, Done, Failed]  # noqa: UP007 - evaluated at run time on 3.10

_JOBS: msgspec.json.Decoder[JobOrPointer] = msgspec.json.Decoder(JobOrPointer)
_EVENTS: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_JOB_KINDS = frozenset({"backup", "shutdown", "overflow"})
_EVENT_KINDS = frozenset({"hello", "heartbeat", "progress", "done", "failed"})


class UnknownKind(PermanentError):
    """A message that authenticates and whose kind this reader does not know."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"message of kind {kind[:64]!r}: this version knows none", reason="UnknownKind"
        )


class _KindOnly(msgspec.Struct):
    """What is looked at first, so that an unknown kind is named."""

    kind: str


def write_message(message: JobOrPointer | Event) -> bytes:
    """Return *message* as the payload to seal."""
    return msgspec.json.encode(message)


def read_job(payload: bytes) -> JobOrPointer:
    """Return the job that *payload* is; raise UnknownKind, or PermanentError (BadMessage)."""
    _check_kind(payload, _JOB_KINDS)
    try:
        return _JOBS.decode(payload)
    except msgspec.MsgspecError as error:
        raise _unreadable(error) from None


def read_event(payload: bytes) -> Event:
    """Return the event that *payload* is; raise UnknownKind, or PermanentError (BadMessage)."""
    _check_kind(payload, _EVENT_KINDS)
    try:
        return _EVENTS.decode(payload)
    except msgspec.MsgspecError as error:
        raise _unreadable(error) from None


def _check_kind(payload: bytes, kinds: frozenset[str]) -> None:
    try:
        kind = msgspec.json.decode(payload, type=_KindOnly).kind
    except msgspec.MsgspecError as error:
        raise _unreadable(error) from None
    if kind not in kinds:
        raise UnknownKind(kind)


def _unreadable(error: msgspec.MsgspecError) -> PermanentError:
    """Say why: msgspec's messages name the field and never its value."""
    return PermanentError(f"message that cannot be read: {error}", reason="BadMessage")


def failure(
    job_id: JobId, error: Exception, reason: str, *, transient: bool, disk_id: str | None = None
) -> Failed:
    """Return the event that tells of *error*, bounded and without what must stay secret."""
    text = without_secrets(str(error)) or type(error).__name__
    return Failed(job_id, reason, text[:FAILURE_CHARS], transient, disk_id)
