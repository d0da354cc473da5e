"""The identifiers that cross a process, each a type of its own."""

from __future__ import annotations

from typing import NewType

#: 32 lowercase hex digits that name one BackupSession wherever it leaves a trace: Azure resources,
#: the conversation, the repository. Computed, never random: see docs/architecture.md.
RunId = NewType("RunId", str)

#: What a worker VM is called in the conversation; from the run id and attempt that launched it.
WorkerId = NewType("WorkerId", str)

#: 32 lowercase hex digits, random: one start of a worker's agent by the operator.
LaunchNonce = NewType("LaunchNonce", str)

#: One job given to a worker: the run id, what is asked and of which snapshots, as in
#: ``3f…-backup-k4…``.
JobId = NewType("JobId", str)

#: 32 lowercase hex digits, random, made when a repository is initialised.
RepositoryId = NewType("RepositoryId", str)

#: 32 lowercase hex digits: a disk's chain in a repository, a keyed hash of the disk's ``uniqueId``.
ChainId = NewType("ChainId", str)

#: The ``uniqueId`` that Azure gives a managed disk; another disk under the same name has another.
DiskUniqueId = NewType("DiskUniqueId", str)

#: What tells a disk's snapshot from any other, later ones under the same ARM id included.
SnapshotUniqueId = NewType("SnapshotUniqueId", str)

#: The number of a commit in a disk's chain, from 1.
CommitSlot = NewType("CommitSlot", int)
