"""Lost blocks as a person heals them: damage, repair, a good check, equal disks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.mending import DAMAGES, POINTS, everything, oldest_pack, restores, well
from tests.unit.cli.program import (
    FULL,
    INCREMENTAL,
    VMS,
    CommandLine,
    FilledBench,
    damage_pack,
)
from tests.unit.repository.opened.whole_bench import in_folder
from tests.unit.repository.primitives.keepers import B
from vmbackup_core.repository.opened import begin_repository


@pytest.fixture
def foreign(tmp_path: Path) -> tuple[Path, Path]:
    """Return another repository with the same disks under another key, and that key."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    bench = FilledBench(in_folder(folder), key=B)
    begin_repository(bench.places, B, bench.using(), "link")
    for number, point in enumerate(POINTS, 1):
        bench.back_up(number, {"os": point.content}, vm_id=VMS.format("g", "web"))
    path = tmp_path / "foreign-key"
    path.write_text(B.secret.hex())
    path.chmod(0o600)
    return folder, path


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_pack_is_healed_from_a_copy_and_every_point_restores(
    line: CommandLine, copied: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(oldest_pack(line.repository))
    assert line.run("check", "--read-data")[0] == 1
    other = ("--from-repository", str(copied), "--from-key-file", str(line.key_file))

    before = everything(line.repository)
    planned = well(line, "repair", "--read-data", "--dry-run", *other)
    assert everything(line.repository) == before
    assert "WOULD BE HEALED" in planned
    assert planned.endswith("nothing would stay lost\n")
    said = well(line, "repair", "--read-data", *other)

    assert "\nHEALED " in said
    assert "LOGGED AS BAD data/c/" in said
    well(line, "check", "--read-data")
    for point in POINTS:
        restores(line, point, tmp_path)
    assert json.loads(well(line, "holds", "--json")) == []
    again = json.loads(well(line, "repair", "--read-data", "--json", *other))
    assert [each["blocks"] for each in again["chains"]] == [0]


def test_of_a_pack_that_has_lost_its_foot_alone_no_block_is_lost(
    line: CommandLine, tmp_path: Path
) -> None:
    pack = oldest_pack(line.repository)
    pack.write_bytes(pack.read_bytes()[:-40])

    said = well(line, "repair")

    assert said.startswith("LOGGED AS BAD data/c/")
    assert said.endswith("nothing is lost\n")
    for point in POINTS:
        restores(line, point, tmp_path)


def test_a_repository_under_another_key_heals_by_content(
    line: CommandLine, foreign: tuple[Path, Path], tmp_path: Path
) -> None:
    oldest_pack(line.repository).unlink()
    folder, key = foreign
    before = everything(folder)

    well(line, "repair", "--from-repository", str(folder), "--from-key-file", str(key))

    assert everything(folder) == before
    well(line, "check", "--read-data")
    for point in POINTS:
        restores(line, point, tmp_path)


def test_a_snapshot_heals_what_has_not_changed_and_the_rest_is_named(
    line: CommandLine, tmp_path: Path
) -> None:
    pack = damage_pack(line.repository)
    oldest_pack(line.repository).unlink()
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(INCREMENTAL.content)

    code, out, _ = line.run(
        "repair", "--disk", "os", "--snapshot-file", str(snapshot), "--output", "json"
    )

    said = json.loads(out)
    assert code == 1
    assert [each["object"] for each in said["bad"]] == [pack]
    (chain,) = said["chains"]
    assert (chain["disk"], chain["blocks"] > 0) == ("os", True)
    (lost,) = said["lost"]
    assert (lost["object"], lost["points"]) == (pack, [FULL.run_id])
    assert lost["hurt"][0]["extents"] == [{"offset": 0, "length": 2 * 4096}]
    restores(line, INCREMENTAL, tmp_path)
    assert f"LOST {pack}: " in line.run("repair")[1]


def test_without_anything_elsewhere_what_is_lost_is_said(line: CommandLine) -> None:
    oldest_pack(line.repository).unlink()

    code, out, err = line.run("repair")

    assert (code, err) == (1, "")
    assert "1 object lost, referred to by 2 recovery points" in out
    assert not list(line.repository.glob("data/c/*/h/*"))


def test_copies_of_header_and_wrap_are_put_back(line: CommandLine) -> None:
    before = everything(line.repository)
    (line.repository / "control" / "header").unlink()
    for wrap in line.repository.glob("data/w/*"):
        wrap.unlink()
    well(line, "repair", "--dry-run")

    said = well(line, "repair")

    assert "PUT BACK header" in said
    assert everything(line.repository) == before


def test_a_good_repository_has_nothing_to_be_repaired(line: CommandLine) -> None:
    before = everything(line.repository)

    assert well(line, "repair", "--read-data") == "nothing is lost\n"

    assert everything(line.repository) == before


@pytest.mark.parametrize(
    "words",
    [
        ["--snapshot-file", "x"],
        ["--from-repository", "x"],
        ["--snapshot-file", "x", "--snapshot-url-file", "x"],
    ],
)
def test_what_makes_no_sense_is_not_understood(line: CommandLine, words: list[str]) -> None:
    code, out, err = line.run("repair", *words)

    assert (code, out) == (2, "")
    assert err.startswith("vmbackup: Misunderstood: ")


def test_a_snapshot_that_cannot_be_read_is_refused_before_anything_is_written(
    line: CommandLine, tmp_path: Path
) -> None:
    damage_pack(line.repository)
    before = everything(line.repository)
    url = tmp_path / "url"
    url.write_text("http://host/c/b?sig=c2VjcmV0")

    for words, reason in (
        (["--snapshot-file", str(tmp_path / "none")], "SnapshotUnreadable"),
        (["--snapshot-url-file", str(url)], "InvalidSas"),
        (["--snapshot-url-file", str(tmp_path / "none")], "SasFileUnreadable"),
    ):
        code, _, err = line.run("repair", "--read-data", "--disk", "os", *words)
        assert code == 2
        assert f"{reason}: " in err
        assert "c2VjcmV0" not in err
    assert line.run("repair", "--disk", "nobody")[2].startswith("vmbackup: NoSuchDisk: ")
    assert everything(line.repository) == before
