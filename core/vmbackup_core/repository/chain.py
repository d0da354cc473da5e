"""A disk's chain: its parameters, its commits, and reading what they name."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.envelope import Kind, seal, unseal
from vmbackup_core.repository.index import HASH_BYTES, ShardIndex, decode_index
from vmbackup_core.repository.keys import ChainKeys, derive
from vmbackup_core.repository.names import (
    PackId,
    chain_prefix,
    commit_name,
    slot_of_commit,
    written_of,
)
from vmbackup_core.repository.records import (
    ChainHeader,
    ChainParameters,
    Commit,
    Manifest,
    ShardReference,
    checked_commit,
    checked_parameters,
    parsed,
)
from vmbackup_core.stores.port import AlreadyStored, NotStored, Store

CHAIN_HEADER = "chain"


@dataclass(frozen=True, slots=True)
class Chain:
    """One disk's chain in a store, opened; names are those within the chain."""

    store: Store
    chain_id: ChainId
    keys: ChainKeys
    parameters: ChainParameters
    _block_key: bytes = field(repr=False)
    _digest_key: bytes = field(repr=False)

    def full_name(self, name: str) -> str:
        """Return the name in the store of what is called *name* in the chain."""
        return chain_prefix(self.chain_id) + name

    def put(self, kind: Kind, name: str, payload: bytes) -> str:
        """Seal and store *payload*; return the SHA-256 of the object; raise AlreadyStored."""
        full = self.full_name(name)
        sealed = seal(kind, full, payload, secret=self.keys.secret, epoch=self.keys.epoch)
        self.store.put_new(full, sealed)
        return hashlib.sha256(sealed).hexdigest()

    def get(self, kind: Kind, name: str) -> tuple[bytes, str]:
        """Return the payload of an object and its SHA-256."""
        full = self.full_name(name)
        stored = self.store.get(full)
        payload = unseal(kind, full, stored, secret=self.keys.secret, epoch=self.keys.epoch)
        return payload, hashlib.sha256(stored).hexdigest()

    def slots(self) -> list[CommitSlot]:
        """Return the slots that are taken, in order."""
        return [
            slot
            for each in self.store.list(self.full_name("k/"))
            if (slot := slot_of_commit(self.short_name(each.name))) is not None
        ]

    def newest_slot(self) -> CommitSlot:
        """Return the newest slot that is taken, or 0."""
        return max(self.slots(), default=CommitSlot(0))

    def short_name(self, full: str) -> str:
        """Return the name in the chain of what the store calls *full*."""
        return full[len(chain_prefix(self.chain_id)) :]

    def find_commit(self, slot: CommitSlot) -> tuple[Commit, str] | None:
        """Return the commit in *slot* and its digest, or None where the slot is free."""
        name = commit_name(slot)
        try:
            payload, digest = self.get("COMM", name)
        except NotStored:
            return None
        full = self.full_name(name)
        commit = checked_commit(full, parsed(full, payload, Commit))
        if commit.slot != slot:
            raise CorruptRepository(f"{full}: says that it is in slot {commit.slot}")
        return commit, digest

    def find_commit_of(self, run: RunId, snapshot: SnapshotUniqueId) -> tuple[Manifest, str] | None:
        """Return what *run* has committed of *snapshot* and the commit's digest, or None.

        What it committed of another snapshot under the same ARM id is of another moment.
        """
        # Manifests have the run in their names, so that no commit is read in vain.
        for each in self.store.list(self.full_name("m/")):
            name = self.short_name(each.name)
            written = written_of(name, "m")
            if written is None or written[0].run != run:
                continue
            found = self.find_commit(written[0].slot)
            if found is None or found[0].manifest != name:
                continue  # its session lost the slot
            with suppress(NotStored):  # else it has expired since it was listed
                manifest = self.manifest_of(found[0])
                if manifest is not None and manifest.snapshot_unique_id == snapshot:
                    return manifest, found[1]
        return None

    def manifest_of(self, commit: Commit) -> Manifest | None:
        """Return the manifest that *commit* names; None for one that names none."""
        if commit.manifest is None:
            return None
        payload, digest = self.get("MANI", commit.manifest)
        full = self.full_name(commit.manifest)
        if digest != commit.manifest_sha256:
            raise CorruptRepository(
                f"{full}: SHA-256 {digest}; the commit in slot {commit.slot} has "
                f"{commit.manifest_sha256}"
            )
        return parsed(full, payload, Manifest)

    def index_of(self, reference: ShardReference) -> ShardIndex:
        """Return the index that a manifest's line names, compared with what the line says."""
        payload, sha256 = self.get("INDX", reference.index)
        full = self.full_name(reference.index)
        if sha256 != reference.sha256:
            raise CorruptRepository(f"{full}: SHA-256 {sha256}; a manifest has {reference.sha256}")
        index = decode_index(full, payload)
        if index.shard != reference.number or index.used_blocks != reference.used_blocks:
            raise CorruptRepository(
                f"{full}: shard {index.shard} with {index.used_blocks} used blocks; a manifest "
                f"has shard {reference.number} with {reference.used_blocks}"
            )
        digest = self.shard_digest(index.shard, index.blocks, index.bitmap, index.hashes)
        if digest != reference.digest:
            raise CorruptRepository(f"{full}: digest {digest}; a manifest has {reference.digest}")
        return index

    def block_hash(self, block: bytes) -> bytes:
        """Return the keyed hash that stands for *block*."""
        return blake3(block, key=self._block_key).digest(length=HASH_BYTES)

    def shard_digest(self, shard: int, blocks: int, bitmap: bytes, hashes: bytes) -> str:
        """Return what stands for a shard's content, wherever its records lie."""
        digest = blake3(_u32(shard) + _u32(blocks), key=self._digest_key)
        digest.update(bitmap)
        digest.update(hashes)
        return digest.hexdigest()

    def disk_digest(self, disk_bytes: int, shards: tuple[ShardReference, ...]) -> str:
        """Return what stands for a disk's content."""
        digest = blake3(
            disk_bytes.to_bytes(8, "little") + _u32(self.parameters.block_bytes),
            key=self._digest_key,
        )
        for each in shards:
            digest.update(_u32(each.number) + bytes.fromhex(each.digest))
        return digest.hexdigest()

    def pack_cipher(self, pack: PackId) -> AESGCM:
        """Return the cipher of the records that were encrypted for *pack*."""
        return AESGCM(derive(self.keys.secret, "pack", pack.to_bytes()))


def open_chain(
    store: Store,
    chain_id: ChainId,
    keys: ChainKeys,
    *,
    parameters: ChainParameters | None = None,
    run_id: RunId,
) -> Chain:
    """Return the chain, begun with *parameters* where it is not there yet.

    A chain that is there keeps the parameters that it was begun with.
    """
    chain = find_chain(store, chain_id, keys)
    if chain is not None:
        return chain
    begun = _chain(store, chain_id, keys, parameters or ChainParameters())
    header = ChainHeader(chain_id, run_id, begun.parameters)
    try:
        begun.put("CHAN", CHAIN_HEADER, msgspec.json.encode(header))
    except AlreadyStored:  # by another run, a moment ago
        return open_chain(store, chain_id, keys, parameters=parameters, run_id=run_id)
    return begun


def find_chain(store: Store, chain_id: ChainId, keys: ChainKeys) -> Chain | None:
    """Return the chain, or None where nobody has begun it."""
    unopened = _chain(store, chain_id, keys, ChainParameters())
    try:
        payload, _ = unopened.get("CHAN", CHAIN_HEADER)
    except NotStored:
        return None
    full = unopened.full_name(CHAIN_HEADER)
    header = parsed(full, payload, ChainHeader)
    return _chain(store, chain_id, keys, checked_parameters(full, header.parameters))


def _chain(store: Store, chain_id: ChainId, keys: ChainKeys, parameters: ChainParameters) -> Chain:
    return Chain(
        store,
        chain_id,
        keys,
        parameters,
        derive(keys.secret, "block-hash"),
        derive(keys.secret, "digest"),
    )


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "little")
