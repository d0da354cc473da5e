"""What operator and agent tell each other: the payloads of docs/worker-protocol.md, section 4."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar, Union, get_args

import msgspec
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, JobId, LaunchNonce, RunId, WorkerId
from vmbackup_core.protocol.archive_messages import ArchiveJob, ArchiveResult
from vmbackup_core.protocol.bounds import (
    ID_CHARS,
    JOB,
    LAUNCH,
    UNSAID,
    WORKER,
    Amount,
    ArmIdText,
    FallbackText,
    Keys,
    ManifestText,
    Seconds,
    Sequence,
    Sha256,
    Total,
    Url,
    Word,
    text_of,
)
from vmbackup_core.protocol.limits import (
    DISKS,
    FAILURE_CHARS,
    FALLBACK_CHARS,
    MOST_SAMPLE_BLOCKS,
    SAMPLE_BLOCKS,
)
from vmbackup_core.protocol.message_parts import (
    ConversationAccess,
    Message,
    RepositoryAccess,
    Value,
)
from vmbackup_core.protocol.reasons import FallbackReason, Reason, reason_named
from vmbackup_core.protocol.restore_messages import RestoreJob, RestoreResult
from vmbackup_core.protocol.verify_messages import VerifyJob, VerifyResult
from vmbackup_core.redaction import shown
from vmbackup_core.repository.data.grants import DiskGrant
from vmbackup_core.repository.data.said import Statistics
from vmbackup_core.repository.primitives.json_payloads import ID, read_time, write_time


class DiskToBackUp(Value, frozen=True, omit_defaults=True):
    """One disk of a backup job.

    *keys* are what `ChainKeys.text` returns, of this chain only. *predecessor_url* shows the disk
    as the grant's base has it; of a full, as its newest manifest has it, where deltas are asked
    for. *sample_blocks* outside the changed extents are read again and compared.
    """

    chain_id: Annotated[ChainId, ID]
    keys: Keys
    grant: DiskGrant
    snapshot_url: Url
    predecessor_url: Url | None = None
    sample_blocks: Annotated[int, msgspec.Meta(ge=0, le=MOST_SAMPLE_BLOCKS)] = SAMPLE_BLOCKS

    def __post_init__(self) -> None:
        """Raise ValueError for a disk that no event could name, or whose predecessor is missing."""
        if not 1 <= len(self.grant.disk.id) <= ID_CHARS:
            raise ValueError(f"a disk id of {len(self.grant.disk.id)} characters")
        if self.grant.base is not None and self.predecessor_url is None:
            raise ValueError(f"{self.grant.disk.name}: a base, and no export of its snapshot")

    @property
    def disk_id(self) -> str:
        """Its ARM id, by which events name it."""
        return self.grant.disk.id

    @override
    def __repr__(self) -> str:
        """Leave out what is secret: reprs end up in logs."""
        return f"DiskToBackUp({self.disk_id})"


class BackupJob(Message, frozen=True, tag="backup"):
    """Write *disks*; the same job again, with a higher sequence number, brings fresh SAS only."""

    job_id: Annotated[JobId, JOB]
    run_id: RunId
    disks: Annotated[list[DiskToBackUp], msgspec.Meta(min_length=1, max_length=DISKS)]
    repository: RepositoryAccess
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    conversation: ConversationAccess | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where the disks are not different ones, or not of the job's run."""
        if len({disk.disk_id for disk in self.disks}) != len(self.disks):
            raise ValueError("a disk is there twice")
        if any(disk.grant.run_id != self.run_id for disk in self.disks):
            raise ValueError("a grant of another run")


class Shutdown(Message, frozen=True, tag="shutdown"):
    """Give up what is running and end."""

    job_id: Annotated[JobId, JOB]


class Overflow(Message, frozen=True, tag="overflow"):
    """Where the payload lies that is too large for the queue: sealed, in one blob, by SAS."""

    url: Url
    size_bytes: Amount
    sha256: Sha256

    @override
    def __repr__(self) -> str:
        """Leave out the SAS."""
        return f"Overflow({self.url.split('?', 1)[0]})"


class Hello(Message, frozen=True, tag="hello"):
    """The agent has started."""

    worker_id: Annotated[WorkerId, WORKER]
    launch: Annotated[LaunchNonce, LAUNCH]
    agent: Word
    bundle_id: Word
    python: Word
    started_at: datetime


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """The agent lives; *job_id* is what it is at."""

    worker_id: Annotated[WorkerId, WORKER]
    launch: Annotated[LaunchNonce, LAUNCH]
    agent: Word
    bundle_id: Word
    python: Word
    started_at: datetime
    job_id: Annotated[JobId, JOB] | None = None


class Progress(Message, frozen=True, tag="progress"):
    """How far a job is, in totals over its disks; *answers* is the number of the job's message."""

    job_id: Annotated[JobId, JOB]
    answers: Sequence
    bytes_to_read: Total
    bytes_read: Total
    bytes_stored: Total
    disk: ArmIdText | None = None


class Fallback(Value, frozen=True):
    """Why a disk with a base was read whole."""

    reason: FallbackReason
    message: FallbackText

    @staticmethod
    def of(reason: FallbackReason, said: str) -> Fallback:
        """Return one that says *said* as far as it may: an end with 65 of them fits an event."""
        return Fallback(reason, UNSAID.sub("?", shown(said))[:FALLBACK_CHARS])


class DiskDone(Value, frozen=True, omit_defaults=True):
    """The manifest of a disk, ready to be committed, and what it took.

    *allocated_bytes* is what the page ranges of an export that was read whole name, None of an
    incremental; *changed_bytes* what the differences named, None where nobody got them.
    *changed_outside* counts blocks that had changed where no changed extent covered them.
    """

    disk_id: ArmIdText
    manifest: ManifestText
    manifest_sha256: Sha256
    statistics: Statistics
    changed_outside: Amount
    allocated_bytes: Amount | None
    seconds: Seconds
    read: Literal["Full", "Incremental"] = "Full"
    fallback: Fallback | None = None
    changed_bytes: Amount | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where it contradicts itself."""
        if self.read == "Full":
            consistent = self.allocated_bytes is not None
        else:
            consistent = self.changed_bytes is not None and self.fallback is None
        if not consistent:
            raise ValueError(f"a disk read as {self.read} that says otherwise")


class BackupResult(Message, frozen=True, tag="backup"):
    """Every disk of the backup job is written; the operator commits."""

    disks: Annotated[list[DiskDone], msgspec.Meta(max_length=DISKS)]


class ResultsBlob(Value, frozen=True):
    """Where a result lies that is too large for an event: sealed, in the repository's data."""

    name: Annotated[str, msgspec.Meta(pattern=r"\Aresults/[0-9a-f]{32}\Z")]
    size_bytes: Amount
    sha256: Sha256


#: What a job came to, by its kind.
Result = Union[BackupResult, RestoreResult, ArchiveResult, VerifyResult]  # noqa: UP007 - evaluated at run time on 3.10


class Done(Message, frozen=True, tag="done"):
    """The job has ended with its result: here, or in a blob."""

    job_id: Annotated[JobId, JOB]
    answers: Sequence
    result: Result | None = None
    results_blob: ResultsBlob | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless there is just one of both."""
        if (self.result is None) == (self.results_blob is None):
            raise ValueError("a job's end has a result, or a blob of results")


class Failed(Message, frozen=True, tag="failed"):
    """The job ended without its result; *transient*: asking again may help."""

    job_id: Annotated[JobId, JOB]
    answers: Sequence
    reason: Reason
    message: Annotated[str, msgspec.Meta(max_length=FAILURE_CHARS)]
    transient: bool
    disk_id: ArmIdText | None = None


#: Jobs that are worked on: each has a maker in the agent.
WorkJob = Union[BackupJob, RestoreJob, ArchiveJob, VerifyJob]  # noqa: UP007 - evaluated at run time on 3.10
#: ``Union``: read at run time by msgspec, on 3.10 too.
Job = Union[WorkJob, Shutdown]  # noqa: UP007 - evaluated at run time on 3.10
JobOrPointer = Union[Job, Overflow]  # noqa: UP007 - evaluated at run time on 3.10
Event = Union[Hello, Heartbeat, Progress, Done, Failed]  # noqa: UP007 - evaluated at run time on 3.10
#: Worth something only while they are fresh: sent with a short life, and never deleted by hand.
Passing = (Heartbeat, Progress)

#: What may be asked of a worker; a kind without a message above is refused by its name.
JobKind = Literal["backup", "restore", "archive", "verify", "repair", "shutdown"]
JOB_KINDS: tuple[JobKind, ...] = get_args(JobKind)


def kinds_of(union: object) -> frozenset[str]:
    """Return the kinds of the messages of *union*, or of the one message that it is."""
    return frozenset(str(each.__struct_config__.tag) for each in get_args(union) or (union,))


_WRITER = msgspec.json.Encoder(enc_hook=write_time)
_JOBS: msgspec.json.Decoder[JobOrPointer] = msgspec.json.Decoder(JobOrPointer, dec_hook=read_time)
_EVENTS: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_RESULTS: msgspec.json.Decoder[Result] = msgspec.json.Decoder(Result)
EVENT_KINDS = kinds_of(Event)

M = TypeVar("M")


class UnknownKind(PermanentError):
    """A message that authenticates and whose kind this reader does not know."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"message of kind {shown(kind[:64])!r}: this version knows none", reason="UnknownKind"
        )


class _KindOnly(msgspec.Struct):
    """What is looked at first, so that an unknown kind is named."""

    kind: str


_KIND: Final = msgspec.json.Decoder(_KindOnly)


def write_message(message: JobOrPointer | Event | Result) -> bytes:
    """Return *message* as the payload to seal."""
    return _WRITER.encode(message)


def read_job(payload: bytes) -> JobOrPointer:
    """Return the job that *payload* is.

    Raise UnknownKind, or PermanentError: NotSupported for a kind that nobody does yet, BadMessage.
    """
    kind = _kind_of(payload)
    if kind in JOB_KINDS and kind not in kinds_of(Job):
        raise PermanentError(f"jobs of kind {kind!r} are not done yet", reason="NotSupported")
    return _read(payload, kinds_of(JobOrPointer), _JOBS)


def read_event(payload: bytes) -> Event:
    """Return the event that *payload* is; raise UnknownKind, or PermanentError (BadMessage)."""
    return _read(payload, EVENT_KINDS, _EVENTS)


def read_result(payload: bytes) -> Result:
    """Return the result in *payload*; raise UnknownKind, or PermanentError (BadMessage)."""
    return _read(payload, kinds_of(Result), _RESULTS)


def _read(payload: bytes, kinds: frozenset[str], decoder: msgspec.json.Decoder[M]) -> M:
    kind = _kind_of(payload)
    if kind not in kinds:
        raise UnknownKind(kind)
    try:
        return decoder.decode(payload)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from None


def _kind_of(payload: bytes) -> str:
    """Return the payload's kind, after its bounds as a text have been seen to hold."""
    try:
        return _KIND.decode(text_of(payload)).kind
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> PermanentError:
    """Say why: msgspec's messages name the field and never its value."""
    said = shown(str(error))[:200]
    return PermanentError(f"message that cannot be read: {said}", reason="BadMessage")


def failure(
    job_id: JobId,
    error: Exception,
    reason: str,
    *,
    answers: int,
    transient: bool,
    disk_id: str | None = None,
) -> Failed:
    """Return the event that tells of *error*, bounded and without what must stay secret."""
    text = shown(str(error)) or type(error).__name__
    said = reason_named(reason)
    if said != reason:
        text = f"{reason}: {text}"
    return Failed(job_id, answers, said, text[:FAILURE_CHARS], transient, disk_id)
