"""What a store can't give is one finding of a check, and neither a check's nor a list's end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.format.repository.golden import expected, repository_folder
from vmbackup_core.repository import Repository, RepositoryKey, open_repository
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import ObjectUnreadable

GOLDEN = expected("1.1")
OTHER = GOLDEN.points[1].run_id


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def make_unreadable(path: Path) -> None:
    path.unlink()
    path.symlink_to("/proc/self/mem")  # reading its beginning is an input/output error


SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "folder": (make_folder, "Is a directory"),
    "loop": (make_loop, "Too many levels of symbolic links"),
    "bad sector": (make_unreadable, "Input/output error"),
}
spoiled = pytest.mark.parametrize(("spoil", "said"), SPOILED.values(), ids=SPOILED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(repository_folder("1.1"), tmp_path / "repository"))


def opened(folder: Path) -> Repository:
    return open_repository(DirectoryStore(folder), RepositoryKey.parse(GOLDEN.key))


def named(part: str) -> str:
    return next(name for name in sorted(GOLDEN.files) if part in name)


@spoiled
def test_a_store_tells_of_the_object_alone(
    folder: Path, spoil: Callable[[Path], None], said: str
) -> None:
    name, store = named("/p/"), DirectoryStore(folder)
    spoil(folder / name)

    with pytest.raises(ObjectUnreadable, match=said) as refused:
        store.get(name)
    with pytest.raises(ObjectUnreadable, match=said):
        store.get_range(name, 0, 10)
    assert refused.value.reason == "ObjectUnreadable"
    assert {each.name for each in store.list("")} >= GOLDEN.files.keys() - {name}


@spoiled
@pytest.mark.parametrize("part", ["/p/", "/i/", "/m/", "/k/", "/chain", "r/"])
@pytest.mark.parametrize("read_data", [False, True], ids=["structure", "data"])
def test_a_check_finds_it_and_looks_at_all_else(
    folder: Path, spoil: Callable[[Path], None], said: str, part: str, *, read_data: bool
) -> None:
    name = named(part)
    spoil(folder / name)

    report = opened(folder).check(read_data=read_data)

    if part == "/p/":  # is not read where the listing does not have it, or with another size
        said = "is missing" if spoil is make_folder else "has "
    elif part == "r/" and spoil is make_folder:
        assert report.points == 1  # a folder is no object: nothing says that there was another
        return
    found = {each.object: each.found for each in report.findings}
    assert any(said in text for text in found.values()), found
    assert report.points + (part == "r/") == 2


@pytest.mark.parametrize("which", ["loop", "bad sector"])
def test_a_listing_of_points_names_it_and_goes_on(folder: Path, which: str) -> None:
    spoil, said = SPOILED[which]
    spoil(folder / "r" / GOLDEN.points[0].run_id)
    told: list[str] = []

    points = [each.run_id for each in opened(folder).points(lambda error: told.append(str(error)))]

    assert points == [OTHER]
    assert len(told) == 1
    assert said in told[0]


def test_packs_that_cannot_be_listed_are_not_called_missing(folder: Path) -> None:
    packs = folder / Path(named("/p/")).parent
    shutil.rmtree(packs)
    packs.symlink_to(packs)

    report = opened(folder).check(read_data=True)

    (finding,) = report.findings
    assert finding.object == f"{packs.relative_to(folder)}/"
    assert "Too many levels" in finding.found


def test_chains_that_cannot_be_listed_are_known_from_points(folder: Path) -> None:
    stray = folder / "c" / ("0" * 32)
    stray.symlink_to(stray)  # os.walk takes it for a file, and can't say how long it is

    report = opened(folder).check(read_data=True)

    assert (report.chains, report.commits) == (1, 2)
