"""What a directory adds to the contract of a store: ways to refuse a taken name, and trouble."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import (
    UNREADABLE_NOW,
    AlreadyStored,
    NotStored,
    ObjectUnreadable,
    StoredObject,
)
from vmbackup_core.stores.put_if_absent import (
    WAYS,
    PutIfAbsent,
    Way,
    by_copy,
    by_plain_rename,
    find_put_if_absent,
)


def refuses(code: int) -> Way:
    """Return the way of a file system that does not know how."""

    def way(_unfinished: Path, final: Path) -> None:
        raise OSError(code, os.strerror(code), str(final))

    return way


def replaces(unfinished: Path, final: Path) -> None:
    """Give the name, taken or not, as some network file systems do."""
    unfinished.replace(final)


def copies_and_leaves(unfinished: Path, final: Path) -> None:
    """Give the name and keep the temporary one."""
    if final.exists():
        raise FileExistsError
    final.write_bytes(unfinished.read_bytes())


@pytest.mark.parametrize(
    ("ways", "found"),
    [
        pytest.param(WAYS, "link", id="this file system"),
        pytest.param({**WAYS, "link": refuses(errno.EPERM)}, "rename", id="no links"),
        pytest.param({**WAYS, "link": copies_and_leaves}, "rename", id="links that are copies"),
        pytest.param(
            {"link": refuses(errno.ENOTSUP), "rename": refuses(errno.EINVAL), "exclusive": by_copy},
            "exclusive",
            id="neither links nor such renames",
        ),
        pytest.param(
            {"link": replaces, "rename": replaces, "exclusive": by_copy},
            "exclusive",
            id="links and renames that replace",
        ),
    ],
)
def test_the_first_way_that_the_file_system_keeps_is_found(
    tmp_path: Path, ways: Mapping[PutIfAbsent, Way], found: PutIfAbsent
) -> None:
    assert find_put_if_absent(tmp_path, ways) == found
    assert list(tmp_path.rglob("*")) == [tmp_path / ".unfinished"]


def test_a_file_system_that_keeps_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="only where its name is free") as refused:
        find_put_if_absent(tmp_path, {"link": replaces, "exclusive": refuses(errno.EROFS)})

    assert refused.value.reason == "StoreUnsuitable"
    assert list(tmp_path.rglob("*")) == [tmp_path / ".unfinished"]


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "control").write_bytes(b"")

    with pytest.raises(PermanentError, match="Not a directory") as refused:
        find_put_if_absent(tmp_path / "control")

    assert refused.value.reason == "StoreUnsuitable"


@pytest.mark.parametrize("way", [*WAYS.values(), by_plain_rename])
def test_no_way_replaces_a_name_that_is_taken(tmp_path: Path, way: Way) -> None:
    unfinished, final = tmp_path / "unfinished", tmp_path / "final"
    unfinished.write_bytes(b"mine")
    final.write_bytes(b"another's")

    with pytest.raises(FileExistsError):
        way(unfinished, final)

    assert final.read_bytes() == b"another's"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("random", [False, True])
def test_nothing_unfinished_is_left(tmp_path: Path, way: PutIfAbsent, *, random: bool) -> None:
    store = DirectoryStore(tmp_path, way, names_are_random=random)
    store.put_new("p/1", b"mine")
    with pytest.raises(AlreadyStored):
        store.put_new("p/1", b"another's")

    assert list((tmp_path / ".unfinished").iterdir()) == []
    assert list(store.list("")) == [StoredObject("p/1", 4)]
    assert store.get("p/1") == b"mine"


def test_a_folder_in_a_files_place_is_unreadable_now(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    (tmp_path / "header").mkdir()

    reads: list[Callable[[], object]] = [
        lambda: store.get("header"),
        lambda: store.get("header", most=10),
        lambda: store.get_range("header", 0, 1),
        lambda: store.get_end("header", 1),
    ]
    for read in reads:
        with pytest.raises(ObjectUnreadable) as refused:
            read()
        assert refused.value.reason == "ObjectUnreadable"
    assert list(store.list("")) == []
    with pytest.raises(AlreadyStored):
        store.put_new("header", b"x")


def test_a_file_in_a_folders_place_is_unreadable_now(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    (tmp_path / "c").write_bytes(b"")

    with pytest.raises(ObjectUnreadable) as refused:
        store.get("c/chain")
    assert refused.value.reason == "StoreNotADirectory"


def test_a_disk_that_does_not_read_is_unreadable_now(tmp_path: Path) -> None:
    # The kernel answers EIO where nothing of the process is mapped.
    (tmp_path / "broken").symlink_to("/proc/self/mem")

    with pytest.raises(UNREADABLE_NOW, match="Input/output error"):
        DirectoryStore(tmp_path).get("broken", most=10)


def test_a_link_to_a_folder_leads_no_listing_in_circles(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put_new("c/a/1", b"x")
    (tmp_path / "c" / "again").symlink_to(tmp_path / "c")

    assert [each.name for each in store.list("")] == ["c/a/1"]
    assert list(store.folders("c/")) == ["c/a/"]


def test_an_object_that_goes_while_it_is_listed_is_passed_over(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for name in ("c/a/1", "c/a/2", "c/b/1", "d/1"):
        store.put_new(name, b"x")
    listing = store.list("")

    first = next(listing)
    for name in ("c/a/2", "c/b/1"):
        store.delete(name)
    (tmp_path / "c" / "b").rmdir()

    assert [first.name, *(each.name for each in listing)] == ["c/a/1", "d/1"]


def test_a_folder_that_was_removed_while_empty_is_made_again(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put_new("v/a/1", b"x")
    store.delete("v/a/1")
    (tmp_path / "v" / "a").rmdir()

    store.put_new("v/a/1", b"y")

    assert store.get("v/a/1") == b"y"
    with pytest.raises(NotStored):
        store.get("v/a/2")
