"""A repository is begun once, whoever else begins it and wherever somebody is stopped."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.unit.repository.primitives.keepers import A, B, begun, everything, new_places
from tests.unit.repository.turns import Stopped, interleave
from vmbackup_core.repository.primitives.failures import (
    ForeignObjects,
    KeyMismatch,
    RepositoryThere,
)
from vmbackup_core.repository.primitives.names import wrap_name
from vmbackup_core.repository.primitives.opening import OpenedKeys, open_keys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer

WRAP_A = wrap_name(1, A.fingerprint)


def test_what_was_begun_opens_with_its_key_and_is_the_same_in_both_places() -> None:
    places = new_places()
    opened = begun(places, A)

    assert open_keys(places, A) == opened
    assert opened.headers[1].appliance_id == "appliance"
    assert opened.missing == ()
    both = {f"{place}: {name}" for place in ("data", "control") for name in ("header", WRAP_A)}
    assert everything(places).keys() == both | {"control: l/fffffff/ffe"}


def test_beginning_again_changes_nothing() -> None:
    places = new_places()
    opened = begun(places, A)
    before = everything(places)

    assert begun(places, A, "another") == opened
    assert everything(places) == before


def test_another_key_is_refused_and_the_message_names_the_one_that_opens() -> None:
    places = new_places()
    begun(places, A)
    before = everything(places)

    with pytest.raises(KeyMismatch, match=f"{B.fingerprint}; it has wraps for: {A.fingerprint}"):
        begun(places, B)
    assert everything(places) == before


@pytest.mark.parametrize("name", ["backup.tar", "c/readme", "header.txt"])
def test_nothing_is_begun_beside_foreign_objects(name: str) -> None:
    places = new_places()
    places.control.put_new(name, b"x")

    with pytest.raises(ForeignObjects, match=name):
        begun(places, A)
    assert everything(places) == {f"control: {name}": b"x"}


@pytest.mark.parametrize(
    "name", ["l/fffffff/ffe", f"v/{'0' * 32}/{'1' * 32}", f"c/{'0' * 32}/k/fffff/ffe"]
)
def test_nothing_is_begun_where_a_repository_has_lost_its_header(name: str) -> None:
    places = new_places()
    places.control.put_new(name, b"x")

    with pytest.raises(RepositoryThere, match=name):
        begun(places, A)
    assert everything(places) == {f"control: {name}": b"x"}


def test_names_that_a_later_version_may_use_are_no_hindrance() -> None:
    places = new_places()
    places.control.put_new("a/later", b"x")

    assert begun(places, A).headers[1].epoch == 1


def stopped_after(calls: int, places: Places, key: UserKey) -> bool:
    """Begin and be stopped before call *calls*; tell whether there were so many."""
    left = iter([0] * calls + [-1])
    (outcome,) = interleave(places, [partial(begun, key=key)], lambda _count: next(left, 0))
    return isinstance(outcome, Stopped)


def test_whoever_is_stopped_anywhere_is_gone_on_from_with_the_same_key() -> None:
    for calls in itertools.count():
        places = new_places()
        stopped = stopped_after(calls, places, A)
        opened = begun(places, A)

        assert open_keys(places, A) == opened
        assert opened.missing == ()
        if not stopped:
            break
    assert calls > 10


def test_after_somebody_was_stopped_anywhere_another_key_begins_or_is_told_whose_it_is() -> None:
    for calls in itertools.count():
        places = new_places()
        stopped = stopped_after(calls, places, A)
        header = any(each.name == "header" for each in places.control.list(""))
        if header:
            with pytest.raises(KeyMismatch):
                begun(places, B)
        else:
            assert begun(places, B).ring.masters
        if not stopped:
            break


def elect(places: Places, keys: list[UserKey], picks: list[int]) -> list[object]:
    left = iter(picks)
    return interleave(
        places, [partial(begun, key=key) for key in keys], lambda _count: next(left, 0)
    )


PICKS = st.lists(st.integers(0, 1), max_size=60)


def one_master(outcomes: list[object]) -> OpenedKeys:
    """Check that all who succeeded opened the same, which is what is there."""
    opened = [each for each in outcomes if isinstance(each, OpenedKeys)]
    assert opened, outcomes
    assert len({each.ring.of(1) for each in opened}) == 1
    assert len({each.headers[1] for each in opened}) == 1
    return opened[0]


@given(picks=PICKS)
def test_two_beginners_with_one_key_elect_one_master(picks: list[int]) -> None:
    places = new_places()

    outcomes = elect(places, [A, A], picks)

    assert all(isinstance(each, OpenedKeys) for each in outcomes), outcomes
    assert open_keys(places, A).ring == one_master(outcomes).ring
    assert open_keys(places, A).missing == ()


@given(picks=PICKS)
def test_of_two_beginners_with_two_keys_one_begins_and_one_is_told(picks: list[int]) -> None:
    places = new_places()

    outcomes = elect(places, [A, B], picks)

    winner = one_master(outcomes)
    (refused,) = [each for each in outcomes if not isinstance(each, OpenedKeys)]
    assert isinstance(refused, KeyMismatch)
    first, second = (A, B) if winner.key == A.fingerprint else (B, A)
    assert open_keys(places, first).ring == winner.ring
    with pytest.raises(KeyMismatch):
        open_keys(places, second)


def calls_of_one() -> int:
    """Return how many calls a beginning takes that nobody is beside."""
    count = 0

    def choose(_count: int) -> int:
        nonlocal count
        count += 1
        return 0

    interleave(new_places(), [partial(begun, key=A)], choose)
    return count


@pytest.mark.parametrize("keys", [[A, A], [A, B]], ids=["one key", "two keys"])
def test_a_beginner_who_is_overtaken_at_any_call_finds_the_others_master(
    keys: list[UserKey],
) -> None:
    for cut in range(calls_of_one() + 1):
        places = new_places()

        outcomes = elect(places, keys, [0] * cut + [1] * 100)

        winner = one_master(outcomes)
        key = A if winner.key == A.fingerprint else B
        assert open_keys(places, key).ring == winner.ring


class OverwritingStore(MemoryStore):
    """A store without put-if-absent (S33 removed)."""

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self.overwrite(name, data)


def test_without_put_if_absent_two_beginners_come_apart() -> None:
    apart = 0
    for cut in range(calls_of_one() + 1):
        places = Places(OverwritingStore(), OverwritingStore())
        outcomes = elect(places, [A, A], [0] * cut + [1] * 100)
        rings = {each.ring.of(1) for each in outcomes if isinstance(each, OpenedKeys)}
        apart += len(rings) != 1 or any(isinstance(each, Exception) for each in outcomes)

    assert apart


@given(picks=PICKS, damaged=st.sampled_from(["control", "data", "both"]))
def test_two_beginners_who_meet_a_cut_wrap_elect_one_master(picks: list[int], damaged: str) -> None:
    places = new_places()
    if damaged in {"control", "both"}:
        places.control.put_new(WRAP_A, b"VMBKWRAP")
    if damaged in {"data", "both"}:
        places.data.put_new(WRAP_A, b"VMBKWRAP")

    outcomes = elect(places, [A, A], picks)

    winner = one_master(outcomes)
    assert open_keys(places, A).ring == winner.ring


@pytest.mark.parametrize("where", ["control", "both"])
def test_a_header_that_was_cut_as_it_was_begun_is_made_again(where: str) -> None:
    places = new_places()
    stopped_after(7, places, A)
    for store in places.both():
        store.delete("header")
    places.control.put_new("header", b"VMBKHEAD")
    if where == "both":
        places.data.put_new("header", b"")

    opened = begun(places, A)

    assert open_keys(places, A) == opened
    assert (opened.lost, opened.missing) == (frozenset(), ())
