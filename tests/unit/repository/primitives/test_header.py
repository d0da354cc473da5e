"""A header is read without a key, tells damage by its SHA-256 and a wrong master by its HMAC."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import msgspec
import pytest

from tests.unit.repository.known_values import MASTER, REPOSITORY
from tests.unit.repository.primitives.damage import cut, flipped
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.header import (
    Header,
    encode_header,
    prove_header,
    read_header,
    see_header,
)
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import Master

ONE = Master(REPOSITORY, 1, MASTER)
CREATED = Time.of(datetime(2026, 11, 26, 17, 5, 9, tzinfo=UTC))
HEADER = Header(REPOSITORY, 1, ONE.master_id, "an-appliance", CREATED, "native")
STORED = encode_header(HEADER, ONE)


def opened(stored: bytes, master: Master = ONE) -> Header:
    seen = see_header("header", stored)
    prove_header(seen, master)
    return read_header(seen)


def authentic(content: bytes) -> bytes:
    """Return a header of *content*, as a holder of the master makes it."""
    whole = content + hashlib.sha256(content).digest()
    return whole + hmac.digest(ONE.header_key(), whole, hashlib.sha256)


def test_a_header_comes_back() -> None:
    assert opened(STORED) == HEADER


def test_a_header_has_the_layout_of_the_page() -> None:
    length = len(STORED) - 104

    assert STORED[:16] == b"VMBKHEAD\1\0\0\0\0\0\0\0"
    assert STORED[16:32].hex() == REPOSITORY
    assert STORED[32:40] == b"\1\0\0\0" + length.to_bytes(4, "little")
    assert msgspec.json.decode(STORED[40:-64]) == {
        "repositoryId": REPOSITORY,
        "epoch": 1,
        "masterId": ONE.master_id,
        "applianceId": "an-appliance",
        "createdAt": "2026-11-26T17:05:09.000000Z",
        "putIfAbsent": "native",
    }
    assert authentic(STORED[:-64]) == STORED


def test_every_flipped_bit_is_damage_and_never_a_newer_version() -> None:
    for bit, changed in flipped(STORED):
        with pytest.raises(CorruptRepository):
            opened(changed)
        if bit < 8 * (len(STORED) - 32):  # all but the HMAC is told without a key
            with pytest.raises(CorruptRepository):
                see_header("header", changed)


def test_a_cut_header_is_damaged() -> None:
    for changed in cut(STORED):
        with pytest.raises(CorruptRepository):
            see_header("header", changed)


def test_a_header_of_another_master_is_read_and_not_proven() -> None:
    seen = see_header("header", STORED)

    assert read_header(seen) == HEADER
    with pytest.raises(CorruptRepository, match="HMAC"):
        prove_header(seen, Master(REPOSITORY, 1, b"x" * 32))


@pytest.mark.parametrize(("at", "found"), [(8, "format 0.0"), (12, "mandatory flag 0")])
def test_a_header_of_a_newer_version_is_proven_and_not_understood(at: int, found: str) -> None:
    content = bytearray(STORED[:-64])
    content[at] ^= 1
    seen = see_header("header", authentic(bytes(content)))

    prove_header(seen, ONE)
    with pytest.raises(NewerFormat, match=found):
        read_header(seen)


def test_a_header_whose_two_ids_differ_is_damaged() -> None:
    other = Header(RepositoryId("41" * 16), 1, ONE.master_id, "an-appliance", CREATED, "native")
    content = STORED[:36] + encode_header(other, ONE)[36:-64]

    with pytest.raises(CorruptRepository, match="its two ids or epochs differ"):
        opened(authentic(content))


def test_a_length_over_the_bound_is_damaged() -> None:
    with pytest.raises(CorruptRepository, match="of at most 4200"):
        see_header("header", bytes(4201))
    with pytest.raises(CorruptRepository, match="says that it holds 4097 bytes"):
        see_header("header", STORED[:36] + (4097).to_bytes(4, "little") + STORED[40:])
