"""What the memory double adds: versions, locks, and what others do to a store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotDeleted


def test_earlier_versions_are_kept_in_their_order() -> None:
    store = MemoryStore(keeps_versions=True)
    store.put_new("header", b"first")
    store.overwrite("header", b"second, and long")
    store.delete("header")
    assert list(store.versions("header", most=100)) == [b"first", b"second, and long"]
    store.put_new("header", b"third")

    assert list(store.versions("header", most=100)) == [b"first", b"second, and long"]
    assert list(store.versions("header", most=5)) == [b"first"]
    assert store.get("header") == b"third"


def test_a_locked_object_stays_and_is_told() -> None:
    store = MemoryStore()
    for name in ("p/1", "p/2"):
        store.put_new(name, b"x")
    store.lock("p/1")

    assert store.delete_all(["p/1", "p/2"]) == [NotDeleted("p/1", "BlobImmutableDueToPolicy")]
    with pytest.raises(PermanentError, match="deleting p/1"):
        store.delete("p/1")
    assert [each.name for each in store.list("")] == ["p/1"]


def test_a_locked_version_stays_whatever_is_done_to_its_name() -> None:
    clock = TurnedClock()
    store = MemoryStore(now=clock.now)
    store.put_new("m/1", b"ours")
    store.lock_until("m/1", clock.now() + timedelta(days=1))

    store.overwrite("m/1", b"junk")
    store.delete("m/1")

    assert list(store.list("")) == []
    assert list(store.versions("m/1", most=100)) == [b"ours"]


def test_a_lock_ends_when_its_time_has_come() -> None:
    clock = TurnedClock()
    store = MemoryStore(now=clock.now)
    store.put_new("p/1", b"x")
    store.lock_until("p/1", clock.now() + timedelta(seconds=10))

    assert store.delete_all(["p/1"]) == [NotDeleted("p/1", "BlobImmutableDueToPolicy")]
    clock.turn(10)
    assert store.delete_all(["p/1"]) == []
