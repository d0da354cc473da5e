"""The log's first object, and what is said of keys and epochs, by those who really change them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.control.log_bench import wanting
from tests.unit.repository.primitives.keepers import NOW, A, B, StillClock, new_places
from tests.unit.repository.turns import Stopped, interleave
from vmbackup_core.repository.control.keys.key_entries import KeyEntries, LogBeginner, end_epoch
from vmbackup_core.repository.control.log.heads import NoHeads
from vmbackup_core.repository.control.log.log import Author, Log, ReadOnly
from vmbackup_core.repository.control.log.log_entries import Claimed, Key
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.beginning import Beginner, begin
from vmbackup_core.repository.primitives.failures import KeyRingIncomplete
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import LOG, log_name
from vmbackup_core.repository.primitives.opening import OpenedKeys, open_keys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.user_keys import add_key, remove_key, rotate

AT = Time.of(NOW)
APPLIANCE = "appliance-a"


def begun(places: Places, key: UserKey = A, appliance: str = APPLIANCE) -> OpenedKeys:
    log = LogBeginner(places, NoHeads(), StillClock(), appliance)
    return begin(places, Beginner(key, appliance, "native"), StillClock(), log)


def log_of(places: Places, key: UserKey = A, appliance: str = APPLIANCE) -> Log:
    control = Control(places.control, open_keys(places, key).ring)
    return Log(control, NoHeads(), Author(appliance, "cli"), StillClock())


def state_of(places: Places, key: UserKey = A) -> LogState:
    return log_of(places, key).read().state


def objects(places: Places) -> int:
    return sum(1 for _ in places.control.list(LOG))


def test_the_first_object_says_whose_the_repository_is_and_which_key_opens_it() -> None:
    places = new_places()
    begun(places)
    begun(places)
    begun(places, appliance="another")

    state = state_of(places)
    assert (objects(places), state.owner) == (1, APPLIANCE)
    assert state.keys == {A.fingerprint: Key(action="added", fingerprint=A.fingerprint, label=None)}


def test_whoever_is_stopped_anywhere_is_gone_on_from_and_owns_it() -> None:
    for calls in itertools.count():
        places = new_places()
        left = iter([0] * calls + [-1])
        (outcome,) = interleave(places, [begun], partial(next_or_first, left))

        begun(places)

        assert (objects(places), state_of(places).owner) == (1, APPLIANCE)
        if not isinstance(outcome, Stopped):
            break
    assert calls > 10


def next_or_first(left: Iterator[int], _count: int) -> int:
    return next(left, 0)


@given(picks=st.lists(st.integers(0, 1), max_size=80))
def test_of_two_appliances_that_begin_with_one_key_one_owns_it(picks: list[int]) -> None:
    places = new_places()
    works = [partial(begun, appliance=name) for name in ("a", "b")]
    left = iter(picks)

    outcomes = interleave(places, works, lambda _count: next(left, 0))

    assert all(isinstance(each, OpenedKeys) for each in outcomes), outcomes
    assert objects(places) == 1
    assert state_of(places).owner in {"a", "b"}


def test_a_first_object_that_was_cut_is_said_again_by_who_began_and_by_nobody_else() -> None:
    places = new_places()
    begun(places)
    places.control.delete(log_name(1))
    places.control.put_new(log_name(1), b"VMBKLOGO")

    begun(places, appliance="another")
    assert state_of(places).owner is None
    begun(places)
    begun(places)

    assert (objects(places), state_of(places).owner) == (2, APPLIANCE)


def test_keys_that_come_and_go_are_told_once_each() -> None:
    places = new_places()
    begun(places)
    log = log_of(places)

    add_key(places, open_keys(places, A), B, KeyEntries(log), "on paper")
    add_key(places, open_keys(places, A), B, KeyEntries(log))

    said = log.read().state.keys[B.fingerprint]
    assert (said.action, said.label, objects(places)) == ("added", "on paper", 2)
    for _ in range(2):
        remove_key(places, open_keys(places, A), 1, B.fingerprint, KeyEntries(log))
    said = log.read().state.keys[B.fingerprint]
    assert (said.action, said.label, objects(places)) == ("removed", "on paper", 3)


def test_a_rotation_is_logged_and_an_epoch_is_ended_by_order() -> None:
    places = new_places()
    begun(places)

    assert rotate(places, open_keys(places, A), [A], AT, KeyEntries(log_of(places))) == 2
    state = state_of(places)
    assert (state.newest_epoch, state.ended_epochs) == (2, frozenset())
    end_epoch(log_of(places), 2)
    for _ in range(2):
        end_epoch(log_of(places), 1)
    assert (state_of(places).ended_epochs, objects(places)) == (frozenset({1}), 3)

    rotate(places, open_keys(places, A), [A], AT, KeyEntries(log_of(places)))
    assert (state_of(places).newest_epoch, state_of(places).ended_epochs) == (3, frozenset({1}))


def test_who_does_not_own_the_repository_changes_no_key() -> None:
    places = new_places()
    begun(places)
    other = KeyEntries(log_of(places, appliance="another"))

    with pytest.raises(ReadOnly):
        add_key(places, open_keys(places, A), B, other)


def test_what_is_sealed_under_an_epoch_begun_meanwhile_is_not_taken_for_damage() -> None:
    places = new_places()
    begun(places)
    old = log_of(places)
    assert old.read().number == 1
    rotate(places, open_keys(places, A), [A], AT, KeyEntries(log_of(places)))
    assert old.read().state.newest_epoch == 2
    with pytest.raises(KeyRingIncomplete):
        old.append(wanting(Claimed(appliance="b", from_=APPLIANCE)))
    log_of(places, appliance="b").append(wanting(Claimed(appliance="b", from_=APPLIANCE)))

    with pytest.raises(KeyRingIncomplete):
        old.read()
    assert log_of(places).read().state.owner == "b"


def test_what_says_that_it_is_of_an_epoch_that_never_was_is_damaged() -> None:
    places = new_places()
    begun(places)
    stored = bytearray(places.control.get(log_name(1)))
    stored[32] = 9
    places.control.put_new(log_name(2), bytes(stored))

    (finding,) = log_of(places).read().findings

    assert (finding.number, finding.trouble) == (2, "LogDamaged")
