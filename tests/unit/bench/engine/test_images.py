"""The images are the same for one seed, and differ where they are said to and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from azure_simulator.disks import sparse
from tools.bench.engine.images import GIB, KIB, MIB, Images, Kind, changed_extents, images

#: As a file system has them: large pieces, and small ones where no run fits.
ALLOCATED = [(0, 256 * KIB), (GIB, 700 * MIB), (2 * GIB, 900 * MIB), (3 * GIB, 64 * KIB)]


def test_by_default_four_hundred_extents_change_that_are_two_percent_of_the_disk() -> None:
    kind = Kind()
    extents = changed_extents(ALLOCATED, kind)
    scattered = [length for _, length in extents if length == 64 * KIB]
    runs = [length for _, length in extents if length > 64 * KIB]

    assert len(extents) == 400
    assert sum(length for _, length in extents) / MIB == pytest.approx(81.9, abs=0.05)
    assert sum(scattered) / sum(length for _, length in extents) == pytest.approx(0.3, abs=0.01)
    assert all(MIB / 2 < length < 9 * MIB for length in runs)


def test_changed_extents_are_whole_pages_within_what_is_allocated_and_disjoint() -> None:
    extents = changed_extents(ALLOCATED, Kind())

    assert all(offset % 4096 == length % 4096 == 0 for offset, length in extents)
    assert all(
        any(start <= offset and offset + length <= start + has for start, has in ALLOCATED)
        for offset, length in extents
    )
    assert all(sum(before) <= after[0] for before, after in pairwise(extents))


def test_another_seed_changes_other_extents_and_the_same_one_the_same() -> None:
    assert changed_extents(ALLOCATED, Kind()) == changed_extents(ALLOCATED, Kind())
    assert changed_extents(ALLOCATED, Kind(seed=43)) != changed_extents(ALLOCATED, Kind())


@pytest.fixture
def kind(tmp_path: Path) -> Kind:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(40):
        (tree / f"file-{number}").write_text(f"{number} of many\n" * 3000)
    return Kind(
        tree=str(tree),
        size_bytes=16 * MIB,
        content_bytes=MIB,
        runs=2,
        runs_bytes=128 * KIB,
        scattered=3,
        scattered_bytes=8 * KIB,
    )


def test_made_twice_an_image_has_the_same_bytes(kind: Kind, tmp_path: Path) -> None:
    one, other = images(kind, tmp_path / "one"), images(kind, tmp_path / "other")

    assert one.first.read_bytes() == other.first.read_bytes()
    assert one.second.read_bytes() == other.second.read_bytes()
    assert one.content_bytes > MIB * 9 // 10


def test_a_change_touches_its_extents_whole_and_nothing_else(kind: Kind, tmp_path: Path) -> None:
    made = images(kind, tmp_path / "images")
    third = tmp_path / "third.img"
    sparse.copy(made.second, third, kind.size_bytes)
    made.change(third, 2)

    for before, after in ((made.first, made.second), (made.second, third)):
        written, cleared = sparse.differences(before, after)
        assert cleared == []
        assert _pages(written) <= _pages(made.extents())
        assert len(_pages(written)) > len(_pages(made.extents())) * 9 // 10


def test_a_later_state_depends_on_its_number_and_not_on_the_state_before(
    kind: Kind, tmp_path: Path
) -> None:
    made = images(kind, tmp_path / "images")
    ways = [tmp_path / "straight.img", tmp_path / "round.img"]
    for way, numbers in zip(ways, ((3,), (1, 2, 3)), strict=True):
        sparse.copy(made.first, way, kind.size_bytes)
        for number in numbers:
            made.change(way, number)

    assert ways[0].read_bytes() == ways[1].read_bytes()


def test_what_changes_stays_the_same_however_the_files_come_to_lie(
    kind: Kind, tmp_path: Path
) -> None:
    made = images(kind, tmp_path / "images")
    before = made.extents()
    copied = Images(tmp_path / "copied", kind)
    copied.folder.mkdir()
    for each, copy in ((made.first, copied.first), (made.second, copied.second)):
        copy.write_bytes(each.read_bytes())  # without a hole
    made.first.write_bytes(made.first.read_bytes())

    assert made.extents() == before
    assert _pages(copied.extents()) == _pages(before)


def test_images_of_another_kind_lie_elsewhere(kind: Kind, tmp_path: Path) -> None:
    assert Images(tmp_path, kind).kind.name != replace(kind, seed=1).name


def _pages(extents: list[tuple[int, int]]) -> set[int]:
    return {
        page
        for offset, length in extents
        for page in range(offset // 4096, (offset + length) // 4096)
    }
