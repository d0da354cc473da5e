"""What a store promises, of every adapter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.ports.suites import Suite
from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.port import (
    AlreadyStored,
    LocksNotKept,
    NotDeleted,
    NotStored,
    ObjectLock,
    Store,
    StoredObject,
    TooLarge,
)


class StoreFacts(Suite):
    """Gets *store*, an empty one."""

    ports = (Store,)

    def test_an_object_comes_back_as_it_was_put(self, store: Store) -> None:
        content = bytes(range(256)) * 4096

        store.put_new("c/0f/p/1-a", content)

        assert store.get("c/0f/p/1-a") == content

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_buffer_can_be_put(self, store: Store, kind: Callable[[bytes], bytes]) -> None:
        store.put_new("a", kind(b"some bytes"))

        assert store.get("a") == b"some bytes"

    def test_an_object_may_be_empty(self, store: Store) -> None:
        store.put_new("empty", b"")

        assert store.get("empty") == b""
        assert list(store.list("")) == [StoredObject("empty", 0)]

    def test_a_put_never_overwrites(self, store: Store) -> None:
        store.put_new("k/1", b"first")

        with pytest.raises(AlreadyStored) as refused:
            store.put_new("k/1", b"second")

        assert refused.value.name == "k/1"
        assert store.get("k/1") == b"first"

    def test_putting_the_same_bytes_again_is_refused_too(self, store: Store) -> None:
        store.put_new("k/1", b"same")

        with pytest.raises(AlreadyStored):
            store.put_new("k/1", b"same")

    def test_of_many_who_put_one_name_at_once_one_succeeds(self, store: Store) -> None:
        outcomes: list[bytes] = []
        together = threading.Barrier(6)

        def put(content: bytes) -> None:
            together.wait()
            try:
                store.put_new("k/00000001", content)
            except AlreadyStored:
                return
            outcomes.append(content)

        threads = [threading.Thread(target=put, args=(bytes([n]) * 1000,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert outcomes == [store.get("k/00000001")]

    def test_what_was_never_put_is_named_when_asked_for(self, store: Store) -> None:
        with pytest.raises(NotStored) as of_all:
            store.get("m/none")
        with pytest.raises(NotStored) as of_a_range:
            store.get_range("m/none", 0, 10)

        assert (of_all.value.name, of_a_range.value.name) == ("m/none", "m/none")

    @pytest.mark.parametrize(
        ("offset", "length", "expected"),
        [
            pytest.param(0, 4, b"0123", id="from the start"),
            pytest.param(3, 4, b"3456", id="within"),
            pytest.param(7, 3, b"789", id="to the end"),
            pytest.param(8, 100, b"89", id="across the end"),
            pytest.param(10, 5, b"", id="behind the end"),
            pytest.param(0, 10, b"0123456789", id="all"),
        ],
    )
    def test_a_range_is_cut_at_the_objects_end(
        self, store: Store, offset: int, length: int, expected: bytes
    ) -> None:
        store.put_new("digits", b"0123456789")

        assert store.get_range("digits", offset, length) == expected

    @pytest.mark.parametrize("most", [10, 11, 1000])
    def test_an_object_within_its_bound_is_read(self, store: Store, most: int) -> None:
        store.put_new("digits", b"0123456789")

        assert store.get("digits", most=most) == b"0123456789"

    def test_an_object_over_its_bound_is_not_read(self, store: Store) -> None:
        store.put_new("digits", b"0123456789")
        store.put_new("empty", b"")

        with pytest.raises(TooLarge, match="digits: more than 9 bytes"):
            store.get("digits", most=9)
        with pytest.raises(NotStored):
            store.get("none", most=9)
        assert store.get("empty", most=0) == b""

    @pytest.mark.parametrize("size", [None, 10, 9, 11, 5, 0, 1000])
    @pytest.mark.parametrize(
        ("length", "expected"),
        [(4, b"6789"), (10, b"0123456789"), (100, b"0123456789"), (0, b"")],
    )
    def test_an_objects_end_comes_with_its_size_whatever_was_believed(
        self, store: Store, size: int | None, length: int, expected: bytes
    ) -> None:
        store.put_new("digits", b"0123456789")

        assert store.get_end("digits", length, size=size) == (expected, 10)

    @pytest.mark.parametrize("size", [None, 0, 7])
    def test_the_end_of_nothing_is_nothing(self, store: Store, size: int | None) -> None:
        store.put_new("empty", b"")

        assert store.get_end("empty", 4, size=size) == (b"", 0)
        with pytest.raises(NotStored):
            store.get_end("none", 4, size=size)

    def test_a_listing_ends_at_its_limit(self, store: Store) -> None:
        for number in range(5):
            store.put_new(f"k/{number}/x", b"x")

        assert [each.name for each in store.list("k/", limit=2)] == ["k/0/x", "k/1/x"]
        assert [each.name for each in store.list("k/", limit=0)] == []
        assert len(list(store.list("k/", limit=50))) == 5

    def test_folders_are_listed_once_and_in_order(self, store: Store) -> None:
        for name in ("c/b/k/1", "c/b/k/2", "c/a/k/1", "c/a-b/k/1", "c/file", "v/x/1", "top"):
            store.put_new(name, b"x")

        assert list(store.folders("")) == ["c/", "v/"]
        assert list(store.folders("c/")) == ["c/a-b/", "c/a/", "c/b/"]
        assert list(store.folders("c/a")) == ["c/a-b/", "c/a/"]
        assert list(store.folders("c/b/k/")) == []
        assert list(store.folders("none/")) == []

    def test_a_folder_without_objects_is_none(self, store: Store) -> None:
        store.put_new("c/a/k/1", b"x")
        store.delete("c/a/k/1")

        assert list(store.folders("c/")) == []

    def test_many_objects_are_deleted_at_once(self, store: Store) -> None:
        for number in range(40):
            store.put_new(f"p/{number}", b"x")

        assert store.delete_all([f"p/{number}" for number in range(1, 50)]) == []
        assert [each.name for each in store.list("")] == ["p/0"]
        assert store.delete_all([]) == []
        with pytest.raises(ValueError, match="257 names, of which 256 go at once"):
            store.delete_all([f"p/{number}" for number in range(257)])

    def test_a_store_that_keeps_no_versions_has_none(self, store: Store) -> None:
        store.put_new("header", b"first")
        store.delete("header")
        store.put_new("header", b"second")

        assert list(store.versions("header", most=100)) == []
        assert list(store.versions("none", most=100)) == []

    def test_a_listing_is_in_order_of_whole_names(self, store: Store) -> None:
        names = ["a/b", "a-b/c", "b/a", "a/a/z", "a_b", "a.b", "A/b"]
        for name in names:
            store.put_new(name, name.encode())

        assert [each.name for each in store.list("")] == sorted(names)
        assert [each.name for each in store.list("a/")] == ["a/a/z", "a/b"]
        assert {each.name: each.size_bytes for each in store.list("")} == {n: len(n) for n in names}

    def test_a_prefix_may_end_within_a_name(self, store: Store) -> None:
        for name in ("p/00000001-aa", "p/00000001-ab", "p/00000002-aa", "q/00000001-aa"):
            store.put_new(name, b"x")

        assert [each.name for each in store.list("p/00000001-a")] == [
            "p/00000001-aa",
            "p/00000001-ab",
        ]
        assert list(store.list("nothing/here")) == []

    def test_a_deleted_object_is_gone_and_its_name_is_free(self, store: Store) -> None:
        store.put_new("a/b", b"1")
        store.delete("a/b")

        assert list(store.list("")) == []
        store.put_new("a/b", b"2")
        assert store.get("a/b") == b"2"

    def test_deleting_what_is_not_there_is_no_error(self, store: Store) -> None:
        store.delete("never/was")

    @pytest.mark.parametrize(
        "name",
        ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "ä", "a\\b", "x" * 600],
    )
    def test_a_name_that_not_every_store_can_hold_is_refused(self, store: Store, name: str) -> None:
        with pytest.raises(ValueError, match="is no name of an object"):
            store.put_new(name, b"x")


class LocklessStoreFacts(Suite):
    """Gets *store*, an empty one that keeps no locks: it says so instead of pretending."""

    ports = (Store,)

    def test_a_lock_is_refused_and_the_object_stays_as_free_as_it_was(self, store: Store) -> None:
        store.put_new("p/1", b"x")

        with pytest.raises(LocksNotKept) as refused:
            store.lock_until("p/1", _in(1))

        assert refused.value.reason == "ImmutabilityNotSupported"
        assert self.locks_of(store) in ([], [ObjectLock("p/1", None)])
        assert store.delete_all(["p/1"]) == []

    def locks_of(self, store: Store) -> list[ObjectLock]:
        """Return the locks, none where the store never has any."""
        try:
            return list(store.locks(""))
        except LocksNotKept:
            return []


class LockingStoreFacts(Suite):
    """Gets *store*, an empty one that keeps locks."""

    ports = (Store,)

    def test_a_locked_object_is_not_deleted_and_its_neighbour_is(self, store: Store) -> None:
        for name in ("p/1", "p/2"):
            store.put_new(name, b"x")
        store.lock_until("p/1", _in(1))

        assert store.delete_all(["p/1", "p/2"]) == [NotDeleted("p/1", "BlobImmutableDueToPolicy")]
        with pytest.raises(PermanentError, match="deleting p/1"):
            store.delete("p/1")
        assert [each.name for each in store.list("")] == ["p/1"]
        assert store.get("p/1") == b"x"

    def test_a_locked_name_stays_taken(self, store: Store) -> None:
        store.put_new("k/1", b"first")
        store.lock_until("k/1", _in(1))

        with pytest.raises(AlreadyStored):
            store.put_new("k/1", b"second")

        assert store.get("k/1") == b"first"

    def test_a_lock_is_extended_and_never_shortened(self, store: Store) -> None:
        store.put_new("k/1", b"x")

        seen = []
        for days in (2, 5, 3, 5):
            store.lock_until("k/1", _in(days))
            seen.append(next(store.locks("k/1")).until)

        assert seen == [_in(2), _in(5), _in(5), _in(5)]

    def test_locks_are_listed_in_order_with_what_has_none(self, store: Store) -> None:
        for name in ("p/2", "p/1", "p/3", "q/1"):
            store.put_new(name, b"x")
        store.lock_until("p/2", _in(3))

        assert list(store.locks("p/")) == [
            ObjectLock("p/1", None),
            ObjectLock("p/2", _in(3)),
            ObjectLock("p/3", None),
        ]
        assert list(store.locks("none/")) == []

    def test_what_is_not_there_is_not_locked(self, store: Store) -> None:
        with pytest.raises(NotStored):
            store.lock_until("p/none", _in(1))


def _in(days: int) -> datetime:
    """Return a moment in so many days, at midnight: Azure keeps whole seconds."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1 + days)
