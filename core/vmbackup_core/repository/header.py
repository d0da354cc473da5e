"""The repository's header: in clear, so that a wrong key is told from damage, and authenticated."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.envelope import START_BYTES, read_start, start_of
from vmbackup_core.repository.failures import KeyMismatch
from vmbackup_core.repository.keys import RepositoryKey
from vmbackup_core.repository.names import HEADER
from vmbackup_core.repository.records import parsed

_DIGEST_BYTES = 32


class Header(msgspec.Struct, frozen=True, rename="camel"):
    """What a repository says of itself."""

    repository_id: RepositoryId
    appliance_id: str
    key_fingerprint: str
    key_epoch: int
    created_at: datetime


def encode_header(header: Header, key: RepositoryKey) -> bytes:
    """Return the header's object."""
    text = msgspec.json.encode(header)
    content = start_of("REPO", len(text)) + text
    content += hashlib.sha256(content).digest()
    return content + hmac.digest(key.header_key(), content, hashlib.sha256)


def decode_header(stored: bytes, key: RepositoryKey) -> Header:
    """Return what the header says; raise KeyMismatch, UnsupportedFormat or CorruptRepository."""
    read_start(HEADER, stored, "REPO")
    content, mac = stored[:-_DIGEST_BYTES], stored[-_DIGEST_BYTES:]
    text_and_before, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(text_and_before).digest() != digest:
        raise CorruptRepository(f"{HEADER}: its SHA-256 is not the one it holds")
    header = _parsed(text_and_before)
    if header.key_fingerprint != key.fingerprint:
        raise KeyMismatch(header.key_fingerprint, key.fingerprint)
    if not hmac.compare_digest(hmac.digest(key.header_key(), content, hashlib.sha256), mac):
        raise CorruptRepository(f"{HEADER}: its HMAC does not verify")
    return header


def _parsed(content: bytes) -> Header:
    length = read_start(HEADER, content, "REPO").number
    if len(content) != START_BYTES + length:
        raise CorruptRepository(f"{HEADER}: {len(content)} bytes, says {START_BYTES + length}")
    return parsed(HEADER, content[START_BYTES:], Header)
