"""A repository opens while any copy of a wrap and its key are there, and says what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.unit.repository.control.repository_bench import UnreadableNow
from tests.unit.repository.primitives.damage import flipped
from tests.unit.repository.primitives.keepers import A, B, C, begun, everything, new_places
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.copies import put_back
from vmbackup_core.repository.primitives.derivation import derive
from vmbackup_core.repository.primitives.failures import KeyMismatch, NewerFormat, NoRepository
from vmbackup_core.repository.primitives.header import encode_header
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.names import header_name, log_name, wrap_name
from vmbackup_core.repository.primitives.opening import open_keys
from vmbackup_core.repository.primitives.reading import Places, put_own, read_opening
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.wraps import make_wrap
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import AlreadyStored, NotStored, ObjectUnreadable, Store

WRAP_A = wrap_name(1, A.fingerprint)


def memory(store: Store) -> MemoryStore:
    assert isinstance(store, MemoryStore)
    return store


def newer_wrap(stored: bytes) -> bytes:
    """Return the wrap as a newer version would have made it for key A."""
    key = derive(A.secret, RepositoryId(stored[16:32].hex()), "wrap", stored[32:36], stored[72:104])
    secret = AESGCM(key).decrypt(bytes(12), stored[104:], stored[:104])
    head = stored[:8] + b"\2\0" + stored[10:104]
    return head + AESGCM(key).encrypt(bytes(12), secret, head)


def test_an_empty_place_holds_no_repository() -> None:
    with pytest.raises(NoRepository):
        open_keys(new_places(), A)


@pytest.mark.parametrize("name", ["header", WRAP_A])
@pytest.mark.parametrize("place", ["data", "control"])
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_a_lost_copy_is_made_up_for_by_the_other_place_and_put_back(
    name: str, place: str, damage: str
) -> None:
    places = new_places()
    whole = begun(places, A)
    before = everything(places)
    store = memory(getattr(places, place))
    content = store.get(name)
    if damage == "missing":
        store.delete(name)
    else:
        store.overwrite(name, content[:50] if damage == "cut" else content[:-1] + b"\0")

    opened = open_keys(places, A)

    assert opened.ring == whole.ring
    assert [(copy.store, copy.name) for copy in opened.missing] == [(store, name)]
    put_back(opened.missing)
    assert everything(places) == before


@pytest.mark.parametrize("name", ["header", WRAP_A])
@pytest.mark.parametrize("place", ["data", "control"])
def test_a_copy_that_cannot_be_read_now_is_made_up_for_and_left_as_it_is(
    name: str, place: str
) -> None:
    places = new_places()
    whole = begun(places, A)
    unreadable = replace(places, **{place: UnreadableNow(getattr(places, place), name)})

    opened = open_keys(unreadable, A)

    assert (opened.ring, opened.missing, opened.lost) == (whole.ring, (), frozenset())
    assert opened.headers == whole.headers


def test_a_header_that_cannot_be_read_now_is_not_lost_with_its_copy() -> None:
    places = new_places()
    whole = begun(places, A)
    places.data.delete("header")

    opened = open_keys(replace(places, control=UnreadableNow(places.control, "header")), A)

    assert (opened.ring, opened.lost, opened.headers) == (whole.ring, frozenset(), {})
    assert [copy.name for copy in opened.missing] == []


def test_where_no_wrap_can_be_read_now_that_is_said() -> None:
    places = new_places()
    begun(places, A)
    both = Places(UnreadableNow(places.data, WRAP_A), UnreadableNow(places.control, WRAP_A))

    with pytest.raises(ObjectUnreadable, match=WRAP_A):
        open_keys(both, A)


def test_every_flipped_bit_of_a_header_or_wrap_is_made_up_for() -> None:
    places = new_places()
    whole = begun(places, A)
    for name in ("header", WRAP_A):
        stored = places.control.get(name)
        for bit, changed in flipped(stored):
            if bit % 11 == 0:  # each bit of each object has its own test
                memory(places.control).overwrite(name, changed)

                opened = open_keys(places, A)

                assert (opened.ring, len(opened.missing)) == (whole.ring, 1)
        memory(places.control).overwrite(name, stored)


def test_with_every_header_lost_a_wrap_counts_that_opens_the_log() -> None:
    places = new_places()
    whole = begun(places, A)
    stray = make_wrap(B, Master(whole.repository, 1, b"x" * 32))
    for store in places.both():
        store.delete("header")
        store.put_new(wrap_name(1, B.fingerprint), stray)

    opened = open_keys(places, A)

    assert opened.ring == whole.ring
    assert opened.lost == {1}
    assert not opened.headers
    with pytest.raises(KeyMismatch, match=A.fingerprint):
        open_keys(places, B)


def test_a_forged_header_in_control_gives_way_to_the_authentic_copy() -> None:
    places = new_places()
    whole = begun(places, A)
    forger = Master(whole.repository, 1, b"f" * 32)
    memory(places.control).overwrite("header", encode_header(whole.headers[1], forger))

    opened = open_keys(places, A)

    assert opened.ring == whole.ring
    assert [copy.name for copy in opened.missing] == ["header"]


def test_a_wrap_that_a_lost_race_left_does_not_count() -> None:
    places = new_places()
    whole = begun(places, A)
    for store in places.both():
        store.put_new(
            wrap_name(1, B.fingerprint), make_wrap(B, Master(whole.repository, 1, b"x" * 32))
        )

    with pytest.raises(KeyMismatch):
        open_keys(places, B)


def test_a_wrap_under_another_keys_name_does_not_count() -> None:
    places = new_places()
    whole = begun(places, A)
    places.control.put_new(wrap_name(1, C.fingerprint), make_wrap(B, whole.ring.of(1)))

    with pytest.raises(KeyMismatch):
        open_keys(places, C)


def test_an_epoch_without_a_wrap_of_the_key_is_lacking() -> None:
    places = new_places()
    whole = begun(places, A)
    second = Master(whole.repository, 2, b"2" * 32)
    places.control.put_new(wrap_name(2, B.fingerprint), make_wrap(B, second))
    places.control.put_new(header_name(2), b"whatever")

    opened = open_keys(places, A)

    assert opened.ring.epochs == {1, 2}
    assert opened.ring.lacking == {2}


def test_a_wrap_that_is_not_understood_is_told_where_nothing_else_opens() -> None:
    places = new_places()
    begun(places, A)
    newer = newer_wrap(places.control.get(WRAP_A))
    for store in places.both():
        memory(store).overwrite(WRAP_A, newer)

    with pytest.raises(NewerFormat, match="format 2"):
        open_keys(places, A)


def test_an_earlier_version_serves_where_somebody_has_overwritten_both_copies() -> None:
    places = new_places(keeps_versions=True)
    whole = begun(places, A)
    for store in places.both():
        for name in ("header", WRAP_A):
            memory(store).overwrite(name, b"somebody was here")
            memory(store).overwrite(name, b"and again")

    assert open_keys(places, A).ring == whole.ring


def opens_even(stored: bytes) -> int:
    if len(stored) % 2:
        raise CorruptRepository(f"{len(stored)} bytes")
    return len(stored)


def test_the_oldest_version_that_opens_is_taken_where_the_current_one_does_not() -> None:
    store = MemoryStore(keeps_versions=True)
    store.put_new("o", b"1")
    for content in (b"22", b"4444", b"55555"):
        store.overwrite("o", content)

    assert read_opening(store, "o", 10, opens_even) == 2
    store.overwrite("o", b"666666")
    assert read_opening(store, "o", 10, opens_even) == 6
    store.overwrite("o", b"7777777")
    assert read_opening(store, "o", 5, opens_even) == 2
    with pytest.raises(CorruptRepository, match="more than 1 bytes"):
        read_opening(store, "o", 1, opens_even)
    with pytest.raises(NotStored):
        read_opening(store, "none", 5, opens_even)


def test_own_bytes_under_a_name_are_success_and_others_are_not() -> None:
    store = MemoryStore()
    store.put_new("o", b"mine")

    put_own(store, "o", b"mine")
    for other in (b"mind", b"min", b"mine!"):
        with pytest.raises(AlreadyStored):
            put_own(store, "o", other)


def test_nothing_is_written_as_a_repository_is_opened() -> None:
    places = new_places()
    begun(places, A)
    places.data.delete("header")
    before = everything(places)

    open_keys(places, A)

    assert everything(places) == before


def lost_log(places: Places) -> None:
    places.control.delete(log_name(1))


def lost_header(places: Places) -> None:
    for store in places.both():
        store.delete("header")


@pytest.mark.parametrize("key", [A, B])
@pytest.mark.parametrize("losses", [[lost_header, lost_log]])
def test_wraps_alone_are_no_repository(
    key: UserKey, losses: list[Callable[[Places], None]]
) -> None:
    places = new_places()
    begun(places, A)
    for lose in losses:
        lose(places)

    with pytest.raises(NoRepository):
        open_keys(places, key)
