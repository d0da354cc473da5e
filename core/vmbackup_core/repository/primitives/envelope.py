"""Sealed objects: one key, one name and one payload each; see section 7 of the format's page."""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives import frames
from vmbackup_core.repository.primitives.bounds import OF_SEALED, Bound
from vmbackup_core.repository.primitives.derivation import derive
from vmbackup_core.repository.primitives.failures import NewerFormat, NoSuchEpoch, ObjectTooLarge
from vmbackup_core.repository.primitives.outer import (
    START_BYTES,
    SealedKind,
    check_repository,
    check_understood,
    read_start,
    start_of,
)
from vmbackup_core.stores.port import Buffer

#: Returns the secret that objects of an epoch are sealed under; raises NoSuchEpoch where there is
#: no such epoch, and KeyRingIncomplete where its master is not there.
SecretOf = Callable[[int], bytes]

_REST = struct.Struct("<IB7x32s")
HEAD_BYTES = START_BYTES + _REST.size
TAG_BYTES = 16

#: Each object has a key of its own, from its salt.
NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class Source:
    """Under what an object is sealed: the epoch's secret of a repository."""

    repository: RepositoryId
    epoch: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a sealed object held, the epoch that it was sealed in and the digest of its bytes."""

    payload: bytes = field(repr=False)
    epoch: int
    sha256: bytes


def within(name: str, offset: int) -> str:
    """Return the name of what lies at *offset* in the index object called *name*."""
    return f"{name}#{offset:08x}"


def seal(
    kind: SealedKind, name: str, payload: bytes, source: Source, *, level: int = frames.LEVEL
) -> bytes:
    """Return the object that holds *payload* under *name*; never the same bytes twice."""
    sealed = seal_with(kind, name, payload, source, secrets.token_bytes(32), level=level)
    bound = OF_SEALED[kind]
    for found, most in ((len(payload), bound.payload), (len(sealed), bound.stored)):
        if found > most:
            raise ObjectTooLarge(name, found, most)
    return sealed


def seal_with(
    kind: SealedKind, name: str, payload: bytes, source: Source, salt: bytes, *, level: int
) -> bytes:
    """Return the object of a given *salt*, of which no other object may ever have had the same."""
    codec, body = frames.compress(payload, level)
    head = start_of(kind, source.repository, source.epoch)
    head += _REST.pack(len(payload), codec, salt)
    key = _object_key(source.secret, source.repository, kind, name, salt)
    return head + AESGCM(key).encrypt(NONCE, body, head + name.encode())


def unseal(
    kind: SealedKind,
    name: str,
    stored: Buffer,
    secret_of: SecretOf,
    repository: RepositoryId,
    bound: Bound | None = None,
) -> Opened:
    """Return what the object *stored* under *name* holds.

    Raise CorruptRepository where it is damaged and NotUnderstood where it is authentic and this
    reader cannot read on. *bound* replaces the kind's own.
    """
    bound = bound or OF_SEALED[kind]
    if not HEAD_BYTES + TAG_BYTES <= len(stored) <= bound.stored:
        raise CorruptRepository(f"{name}: {len(stored)} bytes, of at most {bound.stored}")
    start = read_start(name, stored, kind)
    check_repository(name, start, repository)
    length, codec, salt = _REST.unpack_from(stored, START_BYTES)
    try:
        secret = secret_of(start.epoch)
    except NoSuchEpoch:
        raise CorruptRepository(f"{name}: of epoch {start.epoch}, which has no header") from None
    body = _decrypted(name, stored, _object_key(secret, repository, kind, name, salt))
    check_understood(name, start)
    payload = _unpacked(name, body, codec, length, bound.payload)
    return Opened(payload, start.epoch, hashlib.sha256(stored).digest())


def _object_key(
    secret: bytes, repository: RepositoryId, kind: SealedKind, name: str, salt: bytes
) -> bytes:
    return derive(secret, repository, "object", kind.encode(), name.encode(), salt)


def _decrypted(name: str, stored: Buffer, key: bytes) -> bytes:
    whole = memoryview(stored)
    said = bytes(whole[:HEAD_BYTES]) + name.encode()
    try:
        return AESGCM(key).decrypt(NONCE, whole[HEAD_BYTES:], said)
    except InvalidTag:
        raise CorruptRepository(f"{name}: does not verify: altered, or under another key") from None


def _unpacked(name: str, body: bytes, codec: int, length: int, most: int) -> bytes:
    if codec not in {frames.PLAIN, frames.ZSTD}:
        raise NewerFormat(name, f"codec {codec}")
    if length > most:
        raise CorruptRepository(f"{name}: says that it holds {length} bytes, of at most {most}")
    if codec == frames.ZSTD:
        return frames.decompress(name, body, length)
    if len(body) != length:
        raise CorruptRepository(f"{name}: holds {len(body)} bytes, says {length}")
    return body
