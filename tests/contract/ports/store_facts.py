"""What a store promises, of every adapter."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.contract.ports.suites import Suite
from vmbackup_core.stores.port import AlreadyStored, NotStored, Store, StoredObject


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
