"""A sealed object holds its payload under one name, one kind and one repository."""

from __future__ import annotations

import hashlib
import struct
from typing import get_args

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.known_values import CHAIN, REPOSITORY, known
from tests.unit.repository.primitives.damage import cut, flipped
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives import bounds, envelope
from vmbackup_core.repository.primitives.derivation import derive
from vmbackup_core.repository.primitives.envelope import Opened, Source, seal, seal_with, unseal
from vmbackup_core.repository.primitives.failures import (
    KeyRingIncomplete,
    NewerFormat,
    NoSuchEpoch,
    ObjectTooLarge,
)
from vmbackup_core.repository.primitives.outer import SealedKind

NAME = f"c/{CHAIN}/chain"
SECRET = bytes.fromhex(known("control secret"))
SOURCE = Source(REPOSITORY, 1, SECRET)


def secret_of(epoch: int) -> bytes:
    if epoch != 1:
        raise NoSuchEpoch(epoch)
    return SECRET


def opened(stored: bytes, *, name: str = NAME, kind: SealedKind = "CHAN") -> Opened:
    return unseal(kind, name, stored, secret_of, REPOSITORY)


def sealed_anew(stored: bytes, *, at: int, value: bytes) -> bytes:
    """Return the object with *value* in its head, authentic: as a newer version would make it."""
    head = bytearray(stored[: envelope.HEAD_BYTES])
    salt = bytes(head[48:80])
    key = derive(SECRET, REPOSITORY, "object", b"CHAN", NAME.encode(), salt)
    body = AESGCM(key).decrypt(bytes(12), stored[80:], bytes(head) + NAME.encode())
    head[at : at + len(value)] = value
    return bytes(head) + AESGCM(key).encrypt(bytes(12), body, bytes(head) + NAME.encode())


def test_an_object_has_the_known_bytes() -> None:
    stored = seal_with("CHAN", NAME, b"{}", SOURCE, b"\xcc" * 32, level=3)

    assert len(stored) == 98
    assert hashlib.sha256(stored).hexdigest() == known("the object that holds the two bytes")


def test_an_objects_key_is_the_known_one() -> None:
    key = derive(SECRET, REPOSITORY, "object", b"CHAN", NAME.encode(), b"\xcc" * 32)

    assert key.hex() == known("object key")


@given(
    kind=st.sampled_from(get_args(SealedKind)),
    payload=st.one_of(st.binary(max_size=200), st.just(b"[1,2,3]" * 900)),
)
def test_a_payload_comes_back_with_epoch_and_digest(kind: SealedKind, payload: bytes) -> None:
    stored = seal(kind, "v/name", payload, SOURCE)

    assert opened(stored, name="v/name", kind=kind) == Opened(
        payload, 1, hashlib.sha256(stored).digest()
    )


def test_the_same_payload_is_never_sealed_to_the_same_bytes() -> None:
    assert seal("CHAN", NAME, b"{}", SOURCE) != seal("CHAN", NAME, b"{}", SOURCE)


@pytest.mark.parametrize("payload", [b"{}", b"a" * 300], ids=["as it is", "compressed"])
def test_every_flipped_bit_is_damage_and_never_a_newer_version(payload: bytes) -> None:
    stored = seal("CHAN", NAME, payload, SOURCE)

    for _, changed in flipped(stored):
        with pytest.raises(CorruptRepository):
            opened(changed)


def test_a_cut_object_is_damaged() -> None:
    for changed in cut(seal("CHAN", NAME, b"{}", SOURCE)):
        with pytest.raises(CorruptRepository):
            opened(changed)


def test_an_object_under_another_name_kind_or_repository_is_damaged() -> None:
    stored = seal("CHAN", NAME, b"{}", SOURCE)

    with pytest.raises(CorruptRepository, match="does not verify"):
        opened(stored, name=f"c/{'0' * 32}/chain")
    with pytest.raises(CorruptRepository, match="not with VMBKCOMM"):
        opened(stored, kind="COMM")
    with pytest.raises(CorruptRepository, match="of repository"):
        unseal("CHAN", NAME, stored, secret_of, RepositoryId("41" * 16))


def test_an_object_of_an_epoch_that_never_was_is_damaged() -> None:
    stored = seal("CHAN", NAME, b"{}", Source(REPOSITORY, 2, SECRET))

    with pytest.raises(CorruptRepository, match=f"{NAME}: of epoch 2"):
        opened(stored)


def test_an_object_of_an_epoch_without_its_master_is_not_understood() -> None:
    def without(epoch: int) -> bytes:
        raise KeyRingIncomplete(epoch)

    with pytest.raises(KeyRingIncomplete):
        unseal("CHAN", NAME, seal("CHAN", NAME, b"{}", SOURCE), without, REPOSITORY)


@pytest.mark.parametrize(
    ("at", "value", "found"),
    [
        pytest.param(8, b"\2\0", "format 2.0", id="format"),
        pytest.param(12, b"\1\0\0\x80", "mandatory flag 0, 31", id="flags"),
        pytest.param(40, b"\7", "codec 7", id="codec"),
    ],
)
def test_an_authentic_object_of_a_newer_version_is_not_understood(
    at: int, value: bytes, found: str
) -> None:
    stored = sealed_anew(seal("CHAN", NAME, b"{}", SOURCE), at=at, value=value)

    with pytest.raises(NewerFormat) as refused:
        opened(stored)

    assert (refused.value.name, refused.value.found) == (NAME, found)


def test_a_higher_revision_and_other_spare_bytes_are_read() -> None:
    stored = seal("CHAN", NAME, b"{}", SOURCE)
    newer = sealed_anew(sealed_anew(stored, at=10, value=b"\7\0"), at=41, value=b"\1" * 7)

    assert opened(newer).payload == b"{}"


def test_a_length_over_the_bound_is_damaged_before_anything_is_decompressed() -> None:
    stored = sealed_anew(
        seal("CHAN", NAME, b"a" * 300, SOURCE), at=36, value=struct.pack("<I", 2**31)
    )

    with pytest.raises(CorruptRepository, match="of at most 16384"):
        opened(stored)


@pytest.mark.parametrize("payload", [b"{}", b"a" * 300], ids=["as it is", "compressed"])
def test_a_length_that_is_not_the_payloads_is_damaged(payload: bytes) -> None:
    stored = sealed_anew(seal("CHAN", NAME, payload, SOURCE), at=36, value=struct.pack("<I", 77))

    with pytest.raises(CorruptRepository):
        opened(stored)


def test_more_bytes_than_the_bound_are_damaged_whatever_they_are() -> None:
    with pytest.raises(CorruptRepository, match="of at most 16384"):
        opened(bytes(16385))
    with pytest.raises(CorruptRepository, match="of at most 99"):
        unseal("MANI", "m", bytes(100), secret_of, REPOSITORY, bounds.Bound(stored=99, payload=99))


def test_what_every_reader_would_refuse_is_not_sealed() -> None:
    with pytest.raises(ObjectTooLarge, match="of which a reader takes 16384"):
        seal("HOLD", "d/x", b"a" * 16385, SOURCE)


def test_what_lies_in_an_index_object_is_named_by_its_offset() -> None:
    assert envelope.within("c/i/1", 4096) == "c/i/1#00001000"


def test_a_secret_is_never_shown() -> None:
    assert "secret" not in repr(SOURCE)
