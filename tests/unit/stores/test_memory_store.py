"""What the memory double adds: versions, locks, and what others do to a store."""

from __future__ import annotations

import pytest

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotDeleted


def test_earlier_versions_are_kept_in_their_order() -> None:
    store = MemoryStore(keeps_versions=True)
    store.put_new("header", b"first")
    store.overwrite("header", b"second, and long")
    store.delete("header")
    assert list(store.versions("header", most=100)) == []  # none is current
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
