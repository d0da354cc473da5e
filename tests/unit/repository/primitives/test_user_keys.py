"""User keys are added, removed and rotated; two who rotate elect one master for an epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.primitives.keepers import (
    NOW,
    A,
    B,
    C,
    SmallLog,
    begun,
    everything,
    new_places,
)
from tests.unit.repository.turns import Stopped, interleave
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.primitives.failures import KeyMismatch, KeyRingIncomplete, LastKey
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.names import wrap_name
from vmbackup_core.repository.primitives.opening import open_keys
from vmbackup_core.repository.primitives.printed import from_text, to_text
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.user_keys import (
    Removed,
    add_key,
    export_wrap,
    import_wrap,
    remove_key,
    rotate,
)
from vmbackup_core.repository.primitives.wraps import make_wrap
from vmbackup_core.stores.memory import MemoryStore

AT = Time.of(NOW)


def rotated(places: Places, keys: Sequence[UserKey], log: SmallLog | None = None) -> int:
    return rotate(places, open_keys(places, keys[0]), keys, AT, log or SmallLog(places))


def picked(left: Iterator[int], _count: int) -> int:
    return next(left, 0)


def test_an_added_key_opens_every_epoch_that_the_other_does() -> None:
    places, log = new_places(), SmallLog(new_places())
    begun(places, A)
    rotated(places, [A])

    add_key(places, open_keys(places, A), B, log, "on paper")
    add_key(places, open_keys(places, A), B, log)

    assert open_keys(places, B).ring == open_keys(places, A).ring
    assert open_keys(places, B).missing == ()
    assert log.said[0] == ("added", B.fingerprint, "on paper")


def test_an_added_key_replaces_what_a_lost_race_left() -> None:
    places = new_places()
    whole = begun(places, A)
    stray = make_wrap(B, Master(whole.repository, 1, b"x" * 32))
    for store in places.both():
        store.put_new(wrap_name(1, B.fingerprint), stray)

    add_key(places, whole, B, SmallLog(places))

    assert open_keys(places, B).ring == whole.ring
    assert open_keys(places, B).missing == ()


def test_a_removed_key_opens_nothing_and_is_told_before_it_goes() -> None:
    places, log = new_places(), SmallLog(new_places())
    opened = begun(places, A)
    add_key(places, opened, B, log)

    assert remove_key(places, opened, 1, B.fingerprint, log) == Removed(B.fingerprint, ())

    with pytest.raises(KeyMismatch):
        open_keys(places, B)
    assert open_keys(places, A).ring == opened.ring
    assert log.said[-1] == ("removed", B.fingerprint)
    assert not any(B.fingerprint in name for name in everything(places))


def test_locked_copies_of_a_removed_key_are_named() -> None:
    places = new_places()
    opened = begun(places, A)
    add_key(places, opened, B, SmallLog(places))
    assert isinstance(places.data, MemoryStore)
    places.data.lock(wrap_name(1, B.fingerprint))

    removed = remove_key(places, opened, 1, B.fingerprint, SmallLog(places))

    assert removed.kept == (wrap_name(1, B.fingerprint),)


def test_the_last_key_of_the_newest_epoch_is_not_removed() -> None:
    places = new_places()
    begun(places, A)
    add_key(places, open_keys(places, A), B, SmallLog(places))
    rotated(places, [B])
    before = everything(places)

    for key, removed in ((A, B), (B, B)):  # A opens epoch 1 only
        with pytest.raises(LastKey):
            remove_key(places, open_keys(places, key), 2, removed.fingerprint, SmallLog(places))
    assert everything(places) == before


def test_a_rotation_gives_an_epoch_to_the_keys_that_are_kept_and_to_no_other() -> None:
    places = new_places()
    log = SmallLog(places)
    add_key(places, begun(places, A), B, log)

    assert rotated(places, [A], log) == 2

    opened = open_keys(places, A)
    assert sorted(opened.ring.masters) == [1, 2]
    assert not opened.ring.lacking
    assert opened.headers[2].put_if_absent == opened.headers[1].put_if_absent
    assert log.said[-1] == ("epoch", 2, opened.ring.of(2).master_id)
    assert open_keys(places, B).ring.lacking == {2}
    assert rotated(places, [A, B], log) == 3
    assert open_keys(places, B).ring.lacking == {2}


def test_a_rotation_without_keys_is_refused() -> None:
    places = new_places()

    with pytest.raises(LastKey):
        rotate(places, begun(places, A), [], AT, SmallLog(places))


def test_a_rotation_after_one_that_was_stopped_anywhere_ends() -> None:
    for calls in itertools.count():
        places = new_places()
        add_key(places, begun(places, A), B, SmallLog(places))
        left = iter([0] * calls + [-1])
        (outcome,) = interleave(places, [partial(rotated, keys=[A, B])], partial(picked, left))

        epoch = rotated(places, [B, A])

        assert open_keys(places, A).ring.of(epoch) == open_keys(places, B).ring.of(epoch)
        if not isinstance(outcome, Stopped):
            break
    assert calls > 10


KEYS = st.sampled_from([[A, B], [B, A], [B], [A]])


@given(first=KEYS, second=KEYS, picks=st.lists(st.integers(0, 1), max_size=80))
def test_two_who_rotate_end_with_epochs_that_all_their_keys_open(
    first: list[UserKey], second: list[UserKey], picks: list[int]
) -> None:
    places = new_places()
    add_key(places, begun(places, A), B, SmallLog(places))
    logs = (SmallLog(places), SmallLog(places))
    works = [
        partial(rotated, keys=keys, log=log)
        for keys, log in zip((first, second), logs, strict=True)
    ]
    left = iter(picks)

    epochs = interleave(places, works, partial(picked, left))

    for keys, epoch, log in zip((first, second), epochs, logs, strict=True):
        assert isinstance(epoch, int), epoch
        ids = {open_keys(places, key).ring.of(epoch).master_id for key in keys}
        assert [("epoch", epoch, each) for each in ids] == log.said
    assert epochs[0] != epochs[1]


def test_a_rotation_needs_a_header_to_go_on_from() -> None:
    places = new_places()
    begun(places, A)
    for store in places.both():
        store.delete("header")

    with pytest.raises(CorruptRepository, match="every header is lost"):
        rotated(places, [A])


def test_a_printed_wrap_opens_a_repository_that_has_lost_all_of_its_own() -> None:
    places = new_places()
    whole = begun(places, A)
    paper = to_text(export_wrap(places, A, 1))
    for store in places.both():
        store.delete(wrap_name(1, A.fingerprint))
    with pytest.raises(KeyMismatch):
        open_keys(places, A)

    import_wrap(places, from_text(paper), A)

    assert open_keys(places, A) == whole


def test_a_printed_wrap_replaces_a_damaged_one_and_none_that_counts() -> None:
    places = new_places()
    whole = begun(places, A)
    paper = export_wrap(places, A, 1)
    for store in places.both():
        assert isinstance(store, MemoryStore)
        store.overwrite(wrap_name(1, A.fingerprint), b"VMBKWRAP")

    import_wrap(places, paper, A)

    assert open_keys(places, A) == whole
    with pytest.raises(CorruptRepository):
        import_wrap(places, paper, B)


def test_an_epoch_that_the_key_does_not_open_is_not_exported() -> None:
    places = new_places()
    add_key(places, begun(places, A), B, SmallLog(places))
    rotated(places, [B])

    with pytest.raises(KeyRingIncomplete):
        export_wrap(places, A, 2)
    assert export_wrap(places, B, 2).epoch == 2


def test_keys_may_be_many() -> None:
    places = new_places()
    begun(places, A)

    assert rotated(places, [A, B, C, B]) == 2
    for key in (A, B, C):
        assert 2 in open_keys(places, key).ring.masters
