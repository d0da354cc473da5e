"""What opens one chain, and no more of it than its holder may read; see section 4."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, RepositoryId, RunId
from vmbackup_core.repository.primitives.derivation import ID_BYTES, derive
from vmbackup_core.repository.primitives.envelope import Source
from vmbackup_core.repository.primitives.failures import (
    KeyNotGiven,
    KeyRingIncomplete,
    NoSuchEpoch,
)
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.numbers import u16
from vmbackup_core.stores.port import Buffer

#: A run in an epoch.
RunOf = tuple[int, RunId]


@dataclass(frozen=True, slots=True)
class ChainKeys:
    """The keys of *chain* that one task needs.

    *runs* are the keys of runs whose records may be sealed and opened; *data* are the secrets of
    epochs whose records, of all runs, may be. *newest* is the epoch to seal under. *lacking* are
    epochs that the repository has and nobody here holds the master of.
    """

    repository: RepositoryId
    chain: ChainId
    newest: int
    hash_key: bytes | None = field(repr=False)
    metadata: Mapping[int, bytes] = field(repr=False)
    data: Mapping[int, bytes] = field(repr=False)
    runs: Mapping[RunOf, bytes] = field(repr=False)
    lacking: frozenset[int] = frozenset()

    def secret_of(self, epoch: int) -> bytes:
        """Return the metadata secret of *epoch*, as `unseal` asks for it."""
        return self._of(self.metadata, epoch)

    def source(self) -> Source:
        """Return what seals manifests, tables and sections under the newest epoch."""
        return Source(self.repository, self.newest, self.secret_of(self.newest))

    def block_hash(self, block: Buffer) -> bytes:
        """Return the 16 bytes by which *block* is known in this chain."""
        if self.hash_key is None:
            raise KeyNotGiven(f"the hash key of chain {self.chain}")
        return blake3(block, key=self.hash_key).digest(length=ID_BYTES)

    def pack_cipher(self, pack: PackId, run: RunId, epoch: int) -> AESGCM:
        """Return the cipher of the records that *run* encrypted for *pack* in *epoch*."""
        return AESGCM(self._derived(self._run_key(run, epoch), "pack", pack.packed()))

    def footer_cipher(self, pack: PackId, run: RunId, epoch: int) -> AESGCM:
        """Return the cipher of the footer of *pack*; its one nonce is zero."""
        secret = self.secret_of(epoch)
        return AESGCM(self._derived(secret, "footer", pack.packed(), bytes.fromhex(run)))

    def proof(self, name: str, said: bytes, run: RunId, epoch: int) -> bytes:
        """Return the 16 bytes that only a holder of the run's key makes of the pack *name*.

        *said* is the pack's start, then its footer's payload behind the proof.
        """
        key = self._derived(self._run_key(run, epoch), "proof")
        named = name.encode()
        return hmac.digest(key, u16(len(named)) + named + said, hashlib.sha256)[:ID_BYTES]

    @property
    def text(self) -> str:
        """The keys as base64 text, for a job; `parse` reads it."""
        return base64.b64encode(msgspec.json.encode(_as_written(self))).decode()

    @staticmethod
    def parse(text: str) -> ChainKeys:
        """Return the keys that *text* holds; the error does not show it."""
        try:
            written = _WRITTEN.decode(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError, msgspec.DecodeError):
            raise PermanentError(
                "chain keys are no text that this project wrote", reason="InvalidKey"
            ) from None
        return _as_read(written)

    def _run_key(self, run: RunId, epoch: int) -> bytes:
        if (epoch, run) in self.runs:
            return self.runs[epoch, run]
        return run_key(self.repository, self._of(self.data, epoch), run)

    def _of(self, secrets: Mapping[int, bytes], epoch: int) -> bytes:
        if epoch in secrets:
            return secrets[epoch]
        if epoch in self.lacking:
            raise KeyRingIncomplete(epoch)
        if epoch in self.metadata:
            raise KeyNotGiven(f"the data secret of epoch {epoch} of chain {self.chain}")
        raise NoSuchEpoch(epoch)

    def _derived(self, secret: bytes, label: str, *parts: bytes) -> bytes:
        return derive(secret, self.repository, label, *parts)


def run_key(repository: RepositoryId, data_secret: bytes, run: RunId) -> bytes:
    """Return the key of *run* below the data secret of a chain and an epoch."""
    return derive(data_secret, repository, "run", bytes.fromhex(run))


def for_backup(
    ring: KeyRing, chain: ChainId, begun: int, newest: int, runs: Iterable[RunOf]
) -> ChainKeys:
    """Return what a backup job gets: it seals and opens records of *runs* and of no others.

    *begun* is the epoch in which the chain was begun; *runs* are the job's own run in the newest
    epoch, and in each epoch in which it has left packs to adopt.
    """
    keys = {
        (epoch, run): run_key(ring.repository, ring.of(epoch).data(chain), run)
        for epoch, run in runs
    }
    return _keys(ring, chain, newest, ring.of(begun).hash_key(chain), {}, keys)


def for_reading(ring: KeyRing, chain: ChainId, begun: int, newest: int) -> ChainKeys:
    """Return what restore, verify and repair get: all that the ring opens."""
    data = {epoch: master.data(chain) for epoch, master in ring.masters.items()}
    return _keys(ring, chain, newest, ring.of(begun).hash_key(chain), data, {})


def for_prune(ring: KeyRing, chain: ChainId, newest: int) -> ChainKeys:
    """Return what prune and recounting need: metadata only."""
    return _keys(ring, chain, newest, None, {}, {})


def _keys(
    ring: KeyRing,
    chain: ChainId,
    newest: int,
    hash_key: bytes | None,
    data: Mapping[int, bytes],
    runs: Mapping[RunOf, bytes],
) -> ChainKeys:
    metadata = {epoch: master.metadata(chain) for epoch, master in ring.masters.items()}
    return ChainKeys(ring.repository, chain, newest, hash_key, metadata, data, runs, ring.lacking)


class _Written(msgspec.Struct, frozen=True, rename="camel"):
    """Chain keys as a job carries them."""

    repository: RepositoryId
    chain: ChainId
    newest: int
    hash_key: bytes | None
    metadata: dict[int, bytes]
    data: dict[int, bytes]
    runs: list[tuple[int, RunId, bytes]]
    lacking: list[int]


_WRITTEN: Final = msgspec.json.Decoder(_Written)


def _as_written(keys: ChainKeys) -> _Written:
    return _Written(
        repository=keys.repository,
        chain=keys.chain,
        newest=keys.newest,
        hash_key=keys.hash_key,
        metadata=dict(keys.metadata),
        data=dict(keys.data),
        runs=[(epoch, run, key) for (epoch, run), key in keys.runs.items()],
        lacking=sorted(keys.lacking),
    )


def _as_read(written: _Written) -> ChainKeys:
    return ChainKeys(
        written.repository,
        written.chain,
        written.newest,
        written.hash_key,
        written.metadata,
        written.data,
        {(epoch, run): key for epoch, run, key in written.runs},
        frozenset(written.lacking),
    )
