"""A restore of a damaged repository: ended at once, or gone on with and its holes listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from tests.unit.cli.program import (
    CommandLine,
    Filled,
    damage,
    disk_content,
    names_in,
    restore_all,
)


@pytest.mark.parametrize("output", ["table", "json"])
def test_keep_going_brings_all_else_and_lists_the_holes(
    filled: Filled, filled_line: CommandLine, tmp_path: Path, output: Literal["table", "json"]
) -> None:
    point = filled.add_disks(1, [("a", 0), ("b", 1), ("c", 2)])
    pack = damage(filled, f"data/c/{point.disks[1].chain_id}/p/0")

    code, out, err = restore_all(filled_line, tmp_path / "to", "--keep-going", "--output", output)

    why = f"{pack.relative_to(filled.folder / 'data')}: is needed and missing"
    restored = {place: tmp_path / "to" / f"{name}.img" for place, name in enumerate("abc")}
    assert code == 1
    assert "Holes: 1 hole, 8.0 KiB in all, not restored; they read as zeros" in err
    assert restored[0].read_bytes() == disk_content(0)
    assert restored[1].read_bytes() == bytes(len(disk_content(1)))
    assert restored[2].read_bytes() == disk_content(2)
    if output == "json":
        assert [each["holes"] for each in json.loads(out)] == [
            [],
            [{"offset": 0, "length": 8192, "why": why}],
            [],
        ]
    else:
        assert ["b", "0", "8192", *why.split()] in [line.split() for line in out.splitlines()]


def test_a_disk_of_which_nothing_can_be_had_is_one_hole_and_no_file(
    filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    point = filled.add_disks(1, [("a", 0), ("b", 1)])
    damage(filled, f"data/c/{point.disks[0].chain_id}/m/0")

    code, out, _ = restore_all(filled_line, tmp_path / "to", "--keep-going", "--json")

    lost, there = json.loads(out)
    assert code == 1
    assert lost["path"] is None
    assert [(hole["offset"], hole["length"]) for hole in lost["holes"]] == [(0, 4096)]
    assert there["holes"] == []
    assert names_in(tmp_path / "to") == ["b.img"]


def test_without_keep_going_damage_ends_it_and_what_is_there_is_told(
    filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    point = filled.add_disks(1, [("a", 0), ("b", 1), ("c", 2)])
    damage(filled, f"data/c/{point.disks[1].chain_id}/p/0")

    code, out, err = restore_all(filled_line, tmp_path / "to")

    assert code == 1
    assert "CorruptRepository: c/" in err
    assert "--keep-going" in err
    assert str(tmp_path / "to" / "a.img") in out
    assert names_in(tmp_path / "to") == ["a.img"]
