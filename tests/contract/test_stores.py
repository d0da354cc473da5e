"""The contract of a store, kept by every adapter; Azure's against a real Azurite."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.conftest import ACCOUNT
from tools.local_cloud.azurite import Azurite
from vmbackup_core.clock import SystemClock
from vmbackup_core.stores.azure_blob import SERVICE_VERSION, AzureBlobStore, container_client
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import AlreadyStored, NotStored, Store, StoredObject, TooLarge
from vmbackup_core.stores.put_if_absent import PutIfAbsent


def new_container_url(running: Azurite) -> str:
    url = f"{running.blob_url(ACCOUNT)}/{uuid.uuid4().hex}"
    with container_client(url, running.accounts[ACCOUNT]) as client:
        client.create_container()
    return url


def with_sas(url: str, running: Azurite, permissions: str) -> str:
    sas = generate_container_sas(
        ACCOUNT,
        url.rpartition("/")[2],
        account_key=running.accounts[ACCOUNT],
        permission=ContainerSasPermissions.from_string(permissions),
        expiry=SystemClock().now().replace(year=2099),
        version=SERVICE_VERSION,
    )
    return f"{url}?{sas}"


DIRECTORIES: dict[str, tuple[PutIfAbsent, bool]] = {
    "directory": ("link", False),
    "directory-rename": ("rename", False),
    "directory-exclusive": ("exclusive", False),
}


@pytest.fixture(params=["memory", *DIRECTORIES, "azure-key", "azure-sas"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param in DIRECTORIES:
        way, random = DIRECTORIES[request.param]
        yield DirectoryStore(tmp_path / "not" / "yet", way, names_are_random=random)
    else:
        running: Azurite = request.getfixturevalue("running_azurite")
        url = new_container_url(running)
        by_sas = request.param == "azure-sas"
        address = with_sas(url, running, "rcld") if by_sas else url
        with container_client(address, None if by_sas else running.accounts[ACCOUNT]) as client:
            yield AzureBlobStore(client)


def test_an_object_comes_back_as_it_was_put(store: Store) -> None:
    content = bytes(range(256)) * 4096

    store.put_new("c/0f/p/1-a", content)

    assert store.get("c/0f/p/1-a") == content


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_put(store: Store, kind: Callable[[bytes], bytes]) -> None:
    store.put_new("a", kind(b"some bytes"))

    assert store.get("a") == b"some bytes"


def test_an_object_may_be_empty(store: Store) -> None:
    store.put_new("empty", b"")

    assert store.get("empty") == b""
    assert list(store.list("")) == [StoredObject("empty", 0)]


def test_a_put_never_overwrites(store: Store) -> None:
    store.put_new("k/1", b"first")

    with pytest.raises(AlreadyStored) as refused:
        store.put_new("k/1", b"second")

    assert refused.value.name == "k/1"
    assert store.get("k/1") == b"first"


def test_putting_the_same_bytes_again_is_refused_too(store: Store) -> None:
    store.put_new("k/1", b"same")

    with pytest.raises(AlreadyStored):
        store.put_new("k/1", b"same")


def test_of_many_who_put_one_name_at_once_one_succeeds(store: Store) -> None:
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


def test_what_was_never_put_is_named_when_asked_for(store: Store) -> None:
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
    store: Store, offset: int, length: int, expected: bytes
) -> None:
    store.put_new("digits", b"0123456789")

    assert store.get_range("digits", offset, length) == expected


@pytest.mark.parametrize("most", [10, 11, 1000])
def test_an_object_within_its_bound_is_read(store: Store, most: int) -> None:
    store.put_new("digits", b"0123456789")

    assert store.get("digits", most=most) == b"0123456789"


def test_an_object_over_its_bound_is_not_read(store: Store) -> None:
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
    store: Store, size: int | None, length: int, expected: bytes
) -> None:
    store.put_new("digits", b"0123456789")

    assert store.get_end("digits", length, size=size) == (expected, 10)


@pytest.mark.parametrize("size", [None, 0, 7])
def test_the_end_of_nothing_is_nothing(store: Store, size: int | None) -> None:
    store.put_new("empty", b"")

    assert store.get_end("empty", 4, size=size) == (b"", 0)
    with pytest.raises(NotStored):
        store.get_end("none", 4, size=size)


def test_a_listing_ends_at_its_limit(store: Store) -> None:
    for number in range(5):
        store.put_new(f"k/{number}/x", b"x")

    assert [each.name for each in store.list("k/", limit=2)] == ["k/0/x", "k/1/x"]
    assert [each.name for each in store.list("k/", limit=0)] == []
    assert len(list(store.list("k/", limit=50))) == 5


def test_folders_are_listed_once_and_in_order(store: Store) -> None:
    for name in ("c/b/k/1", "c/b/k/2", "c/a/k/1", "c/a-b/k/1", "c/file", "v/x/1", "top"):
        store.put_new(name, b"x")

    assert list(store.folders("")) == ["c/", "v/"]
    assert list(store.folders("c/")) == ["c/a-b/", "c/a/", "c/b/"]
    assert list(store.folders("c/a")) == ["c/a-b/", "c/a/"]
    assert list(store.folders("c/b/k/")) == []
    assert list(store.folders("none/")) == []


def test_a_folder_without_objects_is_none(store: Store) -> None:
    store.put_new("c/a/k/1", b"x")
    store.delete("c/a/k/1")

    assert list(store.folders("c/")) == []


def test_many_objects_are_deleted_at_once(store: Store) -> None:
    for number in range(40):
        store.put_new(f"p/{number}", b"x")

    assert store.delete_all([f"p/{number}" for number in range(1, 50)]) == []
    assert [each.name for each in store.list("")] == ["p/0"]
    assert store.delete_all([]) == []
    with pytest.raises(ValueError, match="257 names, of which 256 go at once"):
        store.delete_all([f"p/{number}" for number in range(257)])


def test_a_store_that_keeps_no_versions_has_none(store: Store) -> None:
    store.put_new("header", b"first")
    store.delete("header")
    store.put_new("header", b"second")

    assert list(store.versions("header", most=100)) == []
    assert list(store.versions("none", most=100)) == []


def test_a_listing_is_in_order_of_whole_names(store: Store) -> None:
    names = ["a/b", "a-b/c", "b/a", "a/a/z", "a_b", "a.b", "A/b"]
    for name in names:
        store.put_new(name, name.encode())

    assert [each.name for each in store.list("")] == sorted(names)
    assert [each.name for each in store.list("a/")] == ["a/a/z", "a/b"]
    assert {each.name: each.size_bytes for each in store.list("")} == {n: len(n) for n in names}


def test_a_prefix_may_end_within_a_name(store: Store) -> None:
    for name in ("p/00000001-aa", "p/00000001-ab", "p/00000002-aa", "q/00000001-aa"):
        store.put_new(name, b"x")

    assert [each.name for each in store.list("p/00000001-a")] == ["p/00000001-aa", "p/00000001-ab"]
    assert list(store.list("nothing/here")) == []


def test_a_deleted_object_is_gone_and_its_name_is_free(store: Store) -> None:
    store.put_new("a/b", b"1")
    store.delete("a/b")

    assert list(store.list("")) == []
    store.put_new("a/b", b"2")
    assert store.get("a/b") == b"2"


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    store.delete("never/was")


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "ä", "a\\b", "x" * 600]
)
def test_a_name_that_not_every_store_can_hold_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="is no name of an object"):
        store.put_new(name, b"x")


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
