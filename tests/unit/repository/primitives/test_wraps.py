"""A wrap opens with its user key alone, in a store and from paper."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.known_values import MASTER, PRINTED, REPOSITORY, USER_KEY, known
from tests.unit.repository.primitives.damage import cut, flipped
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.primitives.derivation import derive
from vmbackup_core.repository.primitives.failures import (
    InvalidUserKey,
    NewerFormat,
    WrapMistyped,
)
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.numbers import u32
from vmbackup_core.repository.primitives.printed import from_text, to_text
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.wraps import (
    make_wrap,
    make_wrap_with,
    open_wrap,
    read_wrap,
)

KEY = UserKey(USER_KEY)
ONE = Master(REPOSITORY, 1, MASTER)
KNOWN = make_wrap_with(KEY, ONE, b"\xdd" * 32)


def opened(stored: bytes, key: UserKey = KEY) -> Master:
    return open_wrap("w", read_wrap("w", stored), key)


def authentic(changes: dict[int, bytes], secret: bytes = MASTER) -> bytes:
    """Return the known wrap with other bytes at some offsets, as a holder of the key makes it."""
    head = bytearray(KNOWN[:104])
    for at, value in changes.items():
        head[at : at + len(value)] = value
    key = derive(USER_KEY, REPOSITORY, "wrap", u32(1), b"\xdd" * 32)
    return bytes(head) + AESGCM(key).encrypt(bytes(12), secret, bytes(head))


def test_a_wrap_has_the_known_bytes() -> None:
    assert len(KNOWN) == 152
    assert hashlib.sha256(KNOWN).hexdigest() == known("wrap of the master")


def test_a_wrap_is_printed_as_the_page_prints_it() -> None:
    assert to_text(read_wrap("w", KNOWN)) == PRINTED
    assert from_text(PRINTED).stored == KNOWN


def test_a_wrap_says_whose_it_is_without_a_key() -> None:
    wrap = read_wrap("w", KNOWN)

    assert (wrap.repository, wrap.epoch) == (REPOSITORY, 1)
    assert (wrap.fingerprint, wrap.master_id) == (known("fingerprint"), known("master id"))
    assert wrap.name == f"w/00000001-{known('fingerprint')}"


@given(secret=st.binary(min_size=32, max_size=32), epoch=st.integers(1, 2**32 - 1))
def test_a_master_comes_back_from_store_and_paper(secret: bytes, epoch: int) -> None:
    master = Master(REPOSITORY, epoch, secret)
    stored = make_wrap(KEY, master)

    assert opened(stored) == master
    assert open_wrap("w", from_text(to_text(read_wrap("w", stored))), KEY) == master


def test_the_same_master_is_never_wrapped_to_the_same_bytes() -> None:
    assert make_wrap(KEY, ONE) != make_wrap(KEY, ONE)


def test_every_flipped_bit_is_damage_and_never_a_newer_version() -> None:
    for _, changed in flipped(KNOWN):
        with pytest.raises(CorruptRepository):
            opened(changed)


def test_a_cut_wrap_is_damaged() -> None:
    for changed in cut(KNOWN):
        with pytest.raises(CorruptRepository):
            read_wrap("w", changed)


def test_another_key_does_not_open_a_wrap() -> None:
    with pytest.raises(CorruptRepository, match="does not open with key"):
        opened(KNOWN, UserKey(b"x" * 32))


@pytest.mark.parametrize(
    ("at", "value", "found"),
    [
        (8, b"\2", "format 2.0"),
        (12, b"\1", "mandatory flag 0"),
        (36, b"\2", "user key of kind 2"),
    ],
)
def test_an_authentic_wrap_of_a_newer_version_is_not_understood(
    at: int, value: bytes, found: str
) -> None:
    with pytest.raises(NewerFormat, match=found):
        opened(authentic({at: value}))


def test_a_wrap_for_a_kind_of_key_that_is_not_known_is_not_understood() -> None:
    with pytest.raises(NewerFormat, match="user key of kind 3"):
        opened(authentic({36: b"\3"}), UserKey(b"x" * 32))


def test_a_higher_revision_is_read() -> None:
    assert opened(authentic({10: b"\5\0"})) == ONE


def test_a_wrap_that_says_another_master_than_it_holds_is_damaged() -> None:
    with pytest.raises(CorruptRepository, match="holds another master"):
        opened(authentic({}, b"x" * 32))
    with pytest.raises(CorruptRepository, match="is for another key"):
        opened(authentic({40: b"x" * 16}))


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param(PRINTED.replace("\n", "\r\n"), id="another system's line ends"),
        pytest.param(PRINTED.lower(), id="lower case"),
        pytest.param(PRINTED.replace(" ", ""), id="without spaces"),
        pytest.param(f"Safe 3, shelf 2.\n\n{PRINTED}\n-- 2026-11-26 --\n", id="words around it"),
        pytest.param(PRINTED.partition("\n")[2], id="without its first line"),
        pytest.param(
            PRINTED.partition("\n")[2].translate(str.maketrans("OIB", "018")), id="looks alike"
        ),
    ],
)
def test_a_printed_wrap_may_be_typed_in_many_ways(typed: str) -> None:
    assert from_text(typed).stored == KNOWN


def test_every_mistyped_character_is_found() -> None:
    digits = PRINTED.partition("\n")[2]

    for at, character in enumerate(digits):
        if not character.isspace():
            other = "A" if character != "A" else "C"
            with pytest.raises(WrapMistyped):
                from_text(digits[:at] + other + digits[at + 1 :])


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("", id="nothing"),
        pytest.param(PRINTED[:-6], id="cut"),
        pytest.param(PRINTED + "AAAA", id="more"),
        pytest.param(PRINTED.replace("KZGU", "9ZGU"), id="a digit that is never printed"),
    ],
)
def test_what_is_no_printed_wrap_is_refused(typed: str) -> None:
    with pytest.raises(WrapMistyped):
        from_text(typed)


@pytest.mark.parametrize(
    "written",
    [
        USER_KEY,
        USER_KEY.hex().encode(),
        b"  " + USER_KEY.hex().upper().encode() + b"\r\n",
        b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ],
    ids=["as it is", "hexadecimal", "with white space", "base64"],
)
def test_a_user_key_may_be_written_in_three_ways(written: bytes) -> None:
    assert UserKey.parse(written) == KEY


@pytest.mark.parametrize("written", [b"", b"AAAA", USER_KEY[:-1], USER_KEY.hex()[1:].encode()])
def test_what_is_no_user_key_is_refused_and_not_shown(written: bytes) -> None:
    with pytest.raises(InvalidUserKey) as refused:
        UserKey.parse(written)

    assert not written or written.decode("latin-1") not in str(refused.value)
    assert refused.value.reason == "InvalidKey"


def test_a_drawn_key_is_another_each_time_and_not_shown() -> None:
    assert UserKey.draw() != UserKey.draw()
    assert repr(KEY) == "UserKey()"
