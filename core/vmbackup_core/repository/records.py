"""The JSON that chain headers, manifests and commits hold."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.failures import UnsupportedFormat
from vmbackup_core.repository.names import WritingSession

GIB = 1024**3

PointKind = Literal["full", "incremental"]

BLOCK_HASH = "blake3-keyed-128"
CIPHER = "aes-256-gcm"

#: The kinds of commit that a reader knows; ``abort`` and ``compact`` are kept for later writers.
COMMIT_KINDS = frozenset({"backup", "abort", "compact"})

T = TypeVar("T")


class ChainParameters(msgspec.Struct, frozen=True, rename="camel"):
    """What a chain's first writer settles for good."""

    block_bytes: int = 256 * 1024
    shard_bytes: int = 64 * GIB
    block_hash: str = BLOCK_HASH
    cipher: str = CIPHER

    def __post_init__(self) -> None:
        block, shard = self.block_bytes, self.shard_bytes
        if not 4096 <= block <= 4 * 1024**2 or block & (block - 1):  # noqa: PLR2004 - the document's
            raise ValueError(f"block size {block} is no power of two from 4 KiB to 4 MiB")
        if shard <= 0 or shard % block or shard // block > 1024**2:
            raise ValueError(f"shard size {shard} does not fit blocks of {block}")


class ChainHeader(msgspec.Struct, frozen=True, rename="camel"):
    """The object that begins a chain."""

    chain_id: ChainId
    created_by: RunId
    parameters: ChainParameters


class ShardReference(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest's line for one shard of its disk."""

    number: int
    index: str
    sha256: str
    digest: str
    used_blocks: int


class Statistics(msgspec.Struct, frozen=True, rename="camel"):
    """What writing a commit took."""

    read_bytes: int
    stored_bytes: int
    new_blocks: int
    reused_blocks: int
    zero_blocks: int


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """One commit of a disk, whole; those of format 1.0 do not say of which snapshot."""

    slot: CommitSlot
    run_id: RunId
    session: WritingSession
    kind: PointKind
    base_slot: CommitSlot | None
    disk_bytes: int
    block_bytes: int
    shard_bytes: int
    shards: tuple[ShardReference, ...]
    digest: str
    statistics: Statistics
    snapshot_unique_id: SnapshotUniqueId | None = None


class Commit(msgspec.Struct, frozen=True, rename="camel"):
    """The object that takes a slot."""

    slot: CommitSlot
    kind: str
    run_id: RunId
    session: WritingSession
    manifest: str | None
    manifest_sha256: str | None
    previous: str | None


def parsed(name: str, payload: bytes, kind: type[T]) -> T:
    """Return the *kind* that *payload*, the content of the object called *name*, is JSON of."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.DecodeError as error:  # ValidationError is one
        raise CorruptRepository(f"{name}: {error}") from error


def checked_parameters(name: str, parameters: ChainParameters) -> ChainParameters:
    """Return *parameters* where this version knows the algorithms that they name."""
    if parameters.block_hash != BLOCK_HASH:
        raise UnsupportedFormat(name, f"block hash {parameters.block_hash!r}")
    if parameters.cipher != CIPHER:
        raise UnsupportedFormat(name, f"cipher {parameters.cipher!r}")
    return parameters


def checked_commit(name: str, commit: Commit) -> Commit:
    """Return *commit* where its kind is known."""
    if commit.kind not in COMMIT_KINDS:
        raise UnsupportedFormat(name, f"commit kind {commit.kind!r}")
    return commit
