"""The header of an epoch: in clear, so that damage is told from a wrong key; see section 6."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.bounds import HEADER_BYTES, HEADER_JSON_BYTES
from vmbackup_core.repository.primitives.json_payloads import ID, Number, Time, parsed, written
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.numbers import Reader, u32
from vmbackup_core.repository.primitives.outer import (
    START_BYTES,
    Start,
    check_understood,
    read_start,
    start_of,
)

PutIfAbsent = Literal["native", "link", "rename", "exclusive"]

_DIGEST_BYTES: Final = 32


class Header(msgspec.Struct, frozen=True, rename="camel"):
    """What a repository says of itself in an epoch."""

    repository_id: Annotated[RepositoryId, ID]
    epoch: Number
    master_id: Annotated[str, ID]
    appliance_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    created_at: Time
    put_if_absent: PutIfAbsent


@dataclass(frozen=True, slots=True)
class HeaderSeen:
    """A header whose SHA-256 is right; authentic once `prove_header` has said so."""

    start: Start
    name: str
    json: bytes = field(repr=False)
    stored: bytes = field(repr=False)


def encode_header(header: Header, master: Master) -> bytes:
    """Return the header's object; raise ObjectMalformed where no reader would take it."""
    text = written(f"the header of epoch {header.epoch}", header)
    content = start_of("HEAD", header.repository_id, header.epoch) + u32(len(text)) + text
    content += hashlib.sha256(content).digest()
    return content + _mac(content, master)


def see_header(name: str, stored: bytes) -> HeaderSeen:
    """Return what lies under *name*, which needs no key; raise CorruptRepository for damage."""
    if len(stored) > HEADER_BYTES:
        raise CorruptRepository(f"{name}: {len(stored)} bytes, of at most {HEADER_BYTES}")
    start = read_start(name, stored, "HEAD")
    rest = Reader(name, stored[START_BYTES:])
    length = rest.u32()
    if length > HEADER_JSON_BYTES:
        raise CorruptRepository(f"{name}: says that it holds {length} bytes")
    rest.expect(length + 2 * _DIGEST_BYTES)
    json, digest = rest.bytes(length), rest.bytes(_DIGEST_BYTES)
    if hashlib.sha256(stored[: -2 * _DIGEST_BYTES]).digest() != digest:
        raise CorruptRepository(f"{name}: its SHA-256 is not the one it holds")
    return HeaderSeen(start, name, json, stored)


def prove_header(seen: HeaderSeen, master: Master) -> None:
    """Raise CorruptRepository where the header was not made by a holder of *master*."""
    content, mac = seen.stored[:-_DIGEST_BYTES], seen.stored[-_DIGEST_BYTES:]
    if not hmac.compare_digest(_mac(content, master), mac):
        raise CorruptRepository(f"{seen.name}: its HMAC does not verify")


def read_header(seen: HeaderSeen) -> Header:
    """Return what the header says; ask once it is proven, or to name keys where none opens.

    Raise NewerFormat where a newer version is needed.
    """
    check_understood(seen.name, seen.start)
    header = parsed(seen.name, seen.json, Header)
    if (header.repository_id, header.epoch) != (seen.start.repository, seen.start.epoch):
        raise CorruptRepository(f"{seen.name}: its two ids or epochs differ")
    return header


def _mac(content: bytes, master: Master) -> bytes:
    return hmac.digest(master.header_key(), content, hashlib.sha256)
