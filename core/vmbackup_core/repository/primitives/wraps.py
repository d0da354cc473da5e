"""A master encrypted under a user key, in 152 bytes; see section 5 of the format's page."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.bounds import WRAP_BYTES
from vmbackup_core.repository.primitives.derivation import derive
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.names import wrap_name
from vmbackup_core.repository.primitives.numbers import u32
from vmbackup_core.repository.primitives.outer import (
    START_BYTES,
    Start,
    check_understood,
    read_start,
    start_of,
)
from vmbackup_core.repository.primitives.user_key import UserKey

#: The kind of user key that 1.0 knows; 2 (passphrase) and 3 (Key Vault) are reserved.
RAW_KEY: Final = 1

_SAID = struct.Struct("<B3x16s16s32s")
_HEAD_BYTES = START_BYTES + _SAID.size
_NONCE = bytes(12)  # each wrap has a key of its own, from its salt


@dataclass(frozen=True, slots=True)
class Wrap:
    """What a wrap says of itself before it is opened, and its bytes."""

    start: Start
    key_kind: int
    fingerprint: Fingerprint
    master_id: str
    salt: bytes = field(repr=False)
    stored: bytes = field(repr=False)

    @property
    def repository(self) -> RepositoryId:
        """The repository that the master is of."""
        return self.start.repository

    @property
    def epoch(self) -> int:
        """The epoch that the master is of."""
        return self.start.epoch

    @property
    def name(self) -> str:
        """The name under which the wrap lies in both places."""
        return wrap_name(self.epoch, self.fingerprint)


def make_wrap(key: UserKey, master: Master) -> bytes:
    """Return *master* wrapped for *key*; never the same bytes twice."""
    return make_wrap_with(key, master, secrets.token_bytes(32))


def make_wrap_with(key: UserKey, master: Master, salt: bytes) -> bytes:
    """Return the wrap of a given *salt*, of which no other wrap may ever have had the same."""
    said = _SAID.pack(
        RAW_KEY, bytes.fromhex(key.fingerprint), bytes.fromhex(master.master_id), salt
    )
    head = start_of("WRAP", master.repository, master.epoch) + said
    cipher = _cipher(key, master.repository, master.epoch, salt)
    return head + cipher.encrypt(_NONCE, master.secret, head)


def read_wrap(name: str, stored: bytes) -> Wrap:
    """Return what a wrap says without any key; raise CorruptRepository where it is none.

    Nothing of it is authentic before `open_wrap`.
    """
    if len(stored) != WRAP_BYTES:
        raise CorruptRepository(f"{name}: {len(stored)} bytes, of which a wrap has {WRAP_BYTES}")
    start = read_start(name, stored, "WRAP")
    kind, fingerprint, master_id, salt = _SAID.unpack_from(stored, START_BYTES)
    if start.epoch == 0:
        raise CorruptRepository(f"{name}: of epoch 0")
    return Wrap(start, kind, Fingerprint(fingerprint.hex()), master_id.hex(), salt, stored)


def open_wrap(name: str, wrap: Wrap, key: UserKey) -> Master:
    """Return the master in *wrap*, whose bytes lie under *name*.

    Raise CorruptRepository where it does not open with *key*, and NewerFormat where it is authentic
    and this version does not know it, or where it is made for another kind of user key.
    """
    if wrap.key_kind != RAW_KEY and wrap.fingerprint != key.fingerprint:
        raise NewerFormat(name, f"user key of kind {wrap.key_kind}")
    head, sealed = wrap.stored[:_HEAD_BYTES], wrap.stored[_HEAD_BYTES:]
    try:
        secret = _cipher(key, wrap.repository, wrap.epoch, wrap.salt).decrypt(_NONCE, sealed, head)
    except InvalidTag:
        raise CorruptRepository(f"{name}: does not open with key {key.fingerprint}") from None
    check_understood(name, wrap.start)
    if wrap.key_kind != RAW_KEY:
        raise NewerFormat(name, f"user key of kind {wrap.key_kind}")
    master = Master(wrap.repository, wrap.epoch, secret)
    if (master.master_id, key.fingerprint) != (wrap.master_id, wrap.fingerprint):
        raise CorruptRepository(f"{name}: holds another master or is for another key than it says")
    return master


def _cipher(key: UserKey, repository: RepositoryId, epoch: int, salt: bytes) -> AESGCM:
    return AESGCM(derive(key.secret, repository, "wrap", u32(epoch), salt))
