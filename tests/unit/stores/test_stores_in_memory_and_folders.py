"""The contract of a store, kept in memory and by a folder."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.ports.store_facts import (
    LockingStoreFacts,
    LocklessStoreFacts,
    StoreFacts,
)
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Store
from vmbackup_core.stores.put_if_absent import PutIfAbsent


class TestMemoryStore(StoreFacts):
    over = (MemoryStore,)

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestLocksInMemory(LockingStoreFacts):
    over = (MemoryStore,)

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestMemoryWithoutLocks(LocklessStoreFacts):
    over = (MemoryStore,)

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore(keeps_locks=False)


WAYS: tuple[PutIfAbsent, ...] = ("link", "rename", "exclusive")


class TestDirectoryStore(StoreFacts):
    @pytest.fixture(params=WAYS)
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Store:
        return DirectoryStore(tmp_path / "not" / "yet", request.param, names_are_random=False)


class TestDirectoryWithoutLocks(LocklessStoreFacts):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return DirectoryStore(tmp_path)


@given(
    objects=st.dictionaries(
        st.text("ab/", min_size=1, max_size=6).map(lambda text: "n" + text.replace("/", "/n")),
        st.binary(max_size=50),
        max_size=6,
    ),
    prefix=st.sampled_from(["", "n", "na", "na/", "na/n", "nab/nb"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_directory_holds_and_lists_what_memory_does(
    objects: dict[str, bytes], prefix: str, tmp_path: Path
) -> None:
    apart = {
        name: content
        for name, content in objects.items()
        if not any(other.startswith(f"{name}/") for other in objects)
    }
    memory, directory = MemoryStore(), DirectoryStore(tmp_path / uuid.uuid4().hex)
    for name, content in apart.items():
        memory.put_new(name, content)
        directory.put_new(name, content)

    assert list(directory.list(prefix)) == list(memory.list(prefix))
    assert all(directory.get(name) == content for name, content in apart.items())
