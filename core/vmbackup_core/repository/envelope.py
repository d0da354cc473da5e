"""Sealed objects: chain headers, indexes, manifests, commits and recovery points."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from typing import Literal

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.failures import UnsupportedFormat
from vmbackup_core.repository.keys import derive

MAJOR = 1
MINOR = 1
KNOWN_FEATURES = 0

Kind = Literal["REPO", "CHAN", "PACK", "INDX", "MANI", "COMM", "RPNT"]

#: An index of 1,048,576 blocks has 30 MiB; a reader never allocates more than this.
LARGEST_PAYLOAD = 256 * 1024 * 1024

TAG_BYTES = 16

_HEAD = struct.Struct("<8sHHIIIB7x32s")
_START = struct.Struct("<8sHHII")
START_BYTES = _START.size
_NONCE = bytes(12)  # each object has a key of its own: see "Keys"
_AS_IT_IS, _ZSTD = 0, 1
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Start:
    """What the first 20 bytes of an object say; *number* is the key epoch (header: a length)."""

    features: int
    number: int


def start_of(kind: Kind, number: int) -> bytes:
    """Return the first 20 bytes of an object of *kind*."""
    return _START.pack(b"VMBK" + kind.encode(), MAJOR, MINOR, 0, number)


def read_start(name: str, stored: bytes, kind: Kind) -> Start:
    """Return what the beginning of *stored* says; raise where this version cannot read on."""
    if len(stored) < _START.size:
        raise CorruptRepository(f"{name}: {len(stored)} bytes, too few for any object")
    magic, major, minor, features, number = _START.unpack_from(stored)
    if magic != b"VMBK" + kind.encode():
        raise CorruptRepository(f"{name}: begins with {magic!r}, not with VMBK{kind}")
    if major != MAJOR:
        raise UnsupportedFormat(name, f"format version {major}.{minor}")
    if unknown := features & ~KNOWN_FEATURES:
        bits = ", ".join(str(bit) for bit in range(32) if unknown >> bit & 1)
        raise UnsupportedFormat(name, f"mandatory feature {bits}")
    return Start(features, number)


def seal(kind: Kind, name: str, payload: bytes, *, secret: bytes, epoch: int) -> bytes:
    """Return the object that holds *payload* under *name*; never the same bytes twice."""
    compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(payload)
    codec, body = (_ZSTD, compressed) if len(compressed) < len(payload) else (_AS_IT_IS, payload)
    salt = secrets.token_bytes(32)
    head = _HEAD.pack(b"VMBK" + kind.encode(), MAJOR, MINOR, 0, epoch, len(payload), codec, salt)
    key = derive(secret, "object", name.encode(), salt=salt)
    return head + AESGCM(key).encrypt(_NONCE, body, head + name.encode())


def unseal(kind: Kind, name: str, stored: bytes, *, secret: bytes, epoch: int) -> bytes:
    """Return the payload of the object *stored* under *name*; any bit that differs is an error."""
    start = read_start(name, stored, kind)
    if start.number != epoch:
        raise UnsupportedFormat(name, f"key epoch {start.number}, where {epoch} is given")
    if len(stored) < _HEAD.size + TAG_BYTES:
        raise CorruptRepository(f"{name}: {len(stored)} bytes, too few for a sealed object")
    *_, plain_bytes, codec, salt = _HEAD.unpack_from(stored)
    key = derive(secret, "object", name.encode(), salt=salt)
    head = stored[: _HEAD.size]
    try:
        body = AESGCM(key).decrypt(_NONCE, stored[_HEAD.size :], head + name.encode())
    except InvalidTag:
        raise CorruptRepository(f"{name}: does not verify: altered, or under another key") from None
    return _unpacked(name, body, codec, plain_bytes)


def _unpacked(name: str, body: bytes, codec: int, plain_bytes: int) -> bytes:
    if plain_bytes > LARGEST_PAYLOAD:
        raise CorruptRepository(f"{name}: says that it holds {plain_bytes} bytes")
    if codec == _AS_IT_IS:
        payload = body
    elif codec == _ZSTD:
        payload = unzstd(name, body, plain_bytes)
    else:
        raise UnsupportedFormat(name, f"codec {codec}")
    if len(payload) != plain_bytes:
        raise CorruptRepository(f"{name}: holds {len(payload)} bytes, says {plain_bytes}")
    return payload


def unzstd(name: str, body: bytes, plain_bytes: int) -> bytes:
    """Return *body* decompressed to at most *plain_bytes*."""
    try:
        # The decompressor takes a size that the frame itself names over the bound it is given.
        if zstandard.frame_content_size(body) > plain_bytes:
            raise CorruptRepository(f"{name}: decompresses to more than {plain_bytes} bytes")
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=plain_bytes)
    except zstandard.ZstdError as error:
        raise CorruptRepository(f"{name}: does not decompress") from error
