"""The conversation between operator and worker: messages, sealing, launch, the bundle's list.

docs/worker-protocol.md is the authority. Everything here is pure, but for reading the bundle's
files: sending and receiving belong to the operator (asynchronous) and the worker (threads).
"""

from __future__ import annotations

from vmbackup_core.protocol.bundle import (
    BUNDLE_LIST,
    BundleFile,
    BundleList,
    bundle_file,
    bundle_list,
    read_bundle,
)
from vmbackup_core.protocol.launch import Launch, launch_parameters, launch_script
from vmbackup_core.protocol.limits import PROTOCOL_VERSION
from vmbackup_core.protocol.messages import (
    BackupJob,
    CommitKind,
    ConversationAccess,
    DiskDone,
    DiskToBackUp,
    Done,
    Event,
    Failed,
    Heartbeat,
    Hello,
    Job,
    JobOrPointer,
    Overflow,
    Predecessor,
    Progress,
    RepositoryAccess,
    Shutdown,
    UnknownKind,
    failure,
    read_event,
    read_job,
    write_message,
)
from vmbackup_core.protocol.overflow import SealedJob, opened, sealed_job, sealed_pointer
from vmbackup_core.protocol.redaction import without_query, without_secrets
from vmbackup_core.protocol.sealing import (
    NO_JOB,
    Direction,
    Header,
    RefusedMessage,
    WorkerKey,
    fits,
    peek,
    seal,
    unseal,
    worker_key,
)
from vmbackup_core.protocol.sequence import Applied, Decision, after, decide

__all__ = [
    "BUNDLE_LIST",
    "NO_JOB",
    "PROTOCOL_VERSION",
    "Applied",
    "BackupJob",
    "BundleFile",
    "BundleList",
    "CommitKind",
    "ConversationAccess",
    "Decision",
    "Direction",
    "DiskDone",
    "DiskToBackUp",
    "Done",
    "Event",
    "Failed",
    "Header",
    "Heartbeat",
    "Hello",
    "Job",
    "JobOrPointer",
    "Launch",
    "Overflow",
    "Predecessor",
    "Progress",
    "RefusedMessage",
    "RepositoryAccess",
    "SealedJob",
    "Shutdown",
    "UnknownKind",
    "WorkerKey",
    "after",
    "bundle_file",
    "bundle_list",
    "decide",
    "failure",
    "fits",
    "launch_parameters",
    "launch_script",
    "opened",
    "peek",
    "read_bundle",
    "read_event",
    "read_job",
    "seal",
    "sealed_job",
    "sealed_pointer",
    "unseal",
    "without_query",
    "without_secrets",
    "worker_key",
    "write_message",
]
