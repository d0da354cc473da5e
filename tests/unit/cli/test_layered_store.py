"""What is tried over a store leaves it as it was, and reads as if it had been done."""

from __future__ import annotations

import pytest

from tests.contract.ports.store_facts import StoreFacts
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import AlreadyStored, NotStored, Store
from vmbackup_operator.cli.layered_store import LayeredStore


class TestLayeredStore(StoreFacts):
    over = (LayeredStore,)

    @pytest.fixture
    def store(self) -> Store:
        return LayeredStore(MemoryStore())


def test_what_is_below_is_seen_and_never_changed() -> None:
    below = MemoryStore()
    for name in ("a/1", "b/1", "c/1"):
        below.put_new(name, name.encode())
    above = LayeredStore(below)
    with pytest.raises(AlreadyStored):
        above.put_new("a/1", b"other")

    above.delete("a/1")
    above.put_new("a/1", b"new")
    above.put_new("b/0", b"between")
    above.delete_all(["c/1"])

    assert [each.name for each in above.list("")] == ["a/1", "b/0", "b/1"]
    assert [each.name for each in above.list("", limit=2)] == ["a/1", "b/0"]
    assert (above.get("a/1"), above.get_range("b/1", 1, 1)) == (b"new", b"/")
    with pytest.raises(NotStored):
        above.get("c/1")
    assert [each.name for each in below.list("")] == ["a/1", "b/1", "c/1"]
    assert below.get("a/1") == b"a/1"
