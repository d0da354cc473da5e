"""The key ring as its Secret holds it."""

from __future__ import annotations

import pytest

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import LaunchNonce, WorkerId
from vmbackup_core.protocol import launch_key
from vmbackup_operator.sessions.keys import read_key_ring

ONE = bytes(range(32))
TWO = bytes(range(32, 64))


def test_a_single_key_seals() -> None:
    ring = read_key_ring({"k1": ONE}, "secret ns/ring")

    assert ring.active.id == "k1"
    assert ring.active.secret == ONE


def test_hex_digits_are_taken_for_bytes() -> None:
    ring = read_key_ring({"k1": ONE.hex().encode() + b"\n"}, "secret ns/ring")

    assert ring.active.secret == ONE


def test_of_several_keys_the_active_one_seals_and_all_open() -> None:
    ring = read_key_ring({"k1": ONE, "k2": TWO, "active": b"k2\n"}, "secret ns/ring")

    found = ring.find("k1")
    assert ring.active.id == "k2"
    assert found is not None
    assert found.secret == ONE


def test_a_launchs_key_is_of_the_key_that_was_active_then() -> None:
    ring = read_key_ring({"k1": ONE, "k2": TWO, "active": b"k2"}, "secret ns/ring")
    worker, launch = WorkerId("w-1"), LaunchNonce("0" * 32)

    assert ring.launch_key("k1", worker, launch) == launch_key(ONE, worker, launch)
    assert ring.launch_key("k3", worker, launch) is None


def test_each_purpose_has_a_key_of_its_own() -> None:
    key = read_key_ring({"k1": ONE}, "secret ns/ring").active

    assert len({key.for_purpose("a"), key.for_purpose("b"), key.secret}) == 3


def test_printing_shows_no_key() -> None:
    text = repr(read_key_ring({"k1": ONE}, "secret ns/ring"))

    assert repr(ONE) not in text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "holds no key"),
        ({"active": b"k1"}, "holds no key"),
        ({"k1": ONE, "k2": TWO}, "has to say which one seals"),
        ({"k1": ONE, "active": b"k9"}, "'k9' is not among k1"),
        ({"k1": b"short"}, "entry k1: neither 32 bytes nor 64 hex digits"),
        ({"-k": ONE}, "can't be a key's id"),
    ],
    ids=["empty", "only active", "no active", "unknown active", "short", "odd id"],
)
def test_a_ring_that_is_wrong_is_refused_by_name(values: dict[str, bytes], said: str) -> None:
    with pytest.raises(PermanentError, match=said) as caught:
        read_key_ring(values, "secret ns/ring")
    assert str(caught.value).startswith("secret ns/ring")
