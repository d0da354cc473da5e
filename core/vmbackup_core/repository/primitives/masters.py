"""The masters of a repository's epochs, and what is derived from one of them alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmbackup_core.ids import ChainId, DiskUniqueId, RepositoryId, RunId
from vmbackup_core.repository.primitives.derivation import ID_BYTES, derive
from vmbackup_core.repository.primitives.envelope import Source
from vmbackup_core.repository.primitives.failures import KeyRingIncomplete, NoSuchEpoch
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.repository.primitives.numbers import U32_MOST, u32


@dataclass(frozen=True, slots=True)
class Master:
    """The 32 random bytes of an epoch, from which all else in it is derived."""

    repository: RepositoryId
    epoch: int
    secret: bytes = field(repr=False)

    @property
    def master_id(self) -> str:
        """32 hexadecimal digits that name the master and tell nothing of it."""
        return self._derived("master-id")[:ID_BYTES].hex()

    def header_key(self) -> bytes:
        """Return the key that authenticates the epoch's header."""
        return self._derived("header")

    def control_secret(self) -> bytes:
        """Return the secret under which objects in control are sealed."""
        return self._derived("control")

    def control(self) -> Source:
        """Return what seals objects in control under this epoch."""
        return Source(self.repository, self.epoch, self.control_secret())

    def chain_name(self, disk: DiskUniqueId, generation: int) -> ChainId:
        """Return the name of *disk*'s chain, which tells nothing of the disk without the key."""
        return ChainId(self._named("chain-name", u32(generation) + _lower(disk)))

    def archive_name(self, run: RunId, disk: DiskUniqueId) -> ChainId:
        """Return the name of the chain that the archive session *run* makes of *disk*."""
        return ChainId(self._named("chain-name", u32(U32_MOST) + bytes.fromhex(run) + _lower(disk)))

    def vm_name(self, arm_id: str) -> VmId:
        """Return the name under which points of the VM lie that are made in this epoch."""
        return VmId(self._named("vm-name", _lower(arm_id)))

    def hash_key(self, chain: ChainId) -> bytes:
        """Return the key of *chain*'s block hashes, where it was begun in this epoch."""
        return self._derived("block-hash", bytes.fromhex(chain))

    def metadata(self, chain: ChainId) -> bytes:
        """Return the secret of *chain*'s manifests, tables, sections and footers."""
        return self._derived("metadata", bytes.fromhex(chain))

    def data(self, chain: ChainId) -> bytes:
        """Return the secret from which the keys of *chain*'s runs are derived."""
        return self._derived("data", bytes.fromhex(chain))

    def _derived(self, label: str, *parts: bytes) -> bytes:
        return derive(self.secret, self.repository, label, *parts)

    def _named(self, label: str, said: bytes) -> str:
        return hmac.digest(self._derived(label), said, hashlib.sha256)[:ID_BYTES].hex()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The masters that a user key opens, of the epochs that the repository has.

    *epochs* are those with a header. An epoch among them without a master is one that another user
    key opens; what says that it is of any other epoch is damaged.
    """

    repository: RepositoryId
    masters: Mapping[int, Master] = field(repr=False)
    epochs: frozenset[int]

    @property
    def lacking(self) -> frozenset[int]:
        """The epochs whose masters are not there."""
        return frozenset(self.epochs - self.masters.keys())

    def of(self, epoch: int) -> Master:
        """Return the master of *epoch*; raise KeyRingIncomplete or NoSuchEpoch."""
        if epoch in self.masters:
            return self.masters[epoch]
        raise KeyRingIncomplete(epoch) if epoch in self.epochs else NoSuchEpoch(epoch)

    def control_secret(self, epoch: int) -> bytes:
        """Return the secret of objects in control of *epoch*, as `unseal` asks for it."""
        return self.of(epoch).control_secret()


def _lower(text: str) -> bytes:
    # Azure's services do not agree on the case in which they write an id. Bytes, since this shall
    # touch the letters A to Z only.
    return text.encode().lower()
