"""Control lost whole, points lost: what a person brings back from data alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.unit.cli.mending import POINTS, everything, restores, well
from tests.unit.cli.program import (
    FULL,
    INCREMENTAL,
    VMS,
    CommandLine,
    FilledBench,
    damage_pack,
    point_path,
    spoil,
)
from tests.unit.repository.opened.whole_bench import APPLIANCE, in_folder
from vmbackup_operator.cli import main


class TestControlLost:
    @pytest.fixture(autouse=True)
    def lose(self, line: CommandLine, copied: Path) -> None:
        assert (copied / "control" / "header").exists()  # copied before
        shutil.rmtree(line.repository / "control")
        (line.repository / "control").mkdir()

    def test_nothing_is_changed_without_the_word(self, line: CommandLine) -> None:
        before = everything(line.repository)
        code, _, err = line.run("list")
        assert (code, "rebuild-control" in err) == (2, True)

        said = well(line, "rebuild-control")

        assert everything(line.repository) == before
        assert "2 recovery points of 1 disk would come back; nothing was changed" in said
        assert "LOST descriptions of VMs, policies and retention" in said
        told = json.loads(well(line, "rebuild-control", "--json"))
        assert [each["runId"] for each in told["manifests"]] == [FULL.run_id, INCREMENTAL.run_id]
        assert (told["rebuilt"], told["points"]) == (False, 2)

    def test_with_it_every_point_is_back(self, line: CommandLine, tmp_path: Path) -> None:
        said = well(line, "rebuild-control", "--accept-losses")

        assert f"2 recovery points of 1 disk are back; {APPLIANCE} owns the repository" in said
        well(line, "check", "--read-data")
        for point in POINTS:
            restores(line, point, tmp_path)
        code, _, err = line.run("rebuild-control", "--accept-losses")
        assert code == 2
        assert err.startswith("vmbackup: ControlThere: ")
        bench = FilledBench(in_folder(line.repository))
        bench.back_up(3, {"os": INCREMENTAL.content[::-1]}, vm_id=VMS.format("g", "web"))
        well(line, "check", "--read-data")

    def test_a_disk_is_restored_by_its_manifest_alone(
        self, line: CommandLine, tmp_path: Path
    ) -> None:
        before = everything(line.repository)
        listed = json.loads(well(line, "list", "--manifests", "--json"))
        to = tmp_path / "os.img"

        well(line, "restore", "--manifest", listed["manifests"][1]["manifest"], "--to", str(to))

        assert to.read_bytes() == INCREMENTAL.content
        assert everything(line.repository) == before

    def test_with_every_wrap_lost_the_printed_one_opens_it(
        self, line: CommandLine, copied: Path, tmp_path: Path
    ) -> None:
        paper = tmp_path / "paper"
        words = ["--repository", str(copied), "--key-file", str(line.key_file)]
        assert main(["repository", "key", "export", *words]) == 0
        paper.write_text(line.capsys.readouterr().out)
        for wrap in line.repository.glob("data/w/*"):
            wrap.unlink()
        before = everything(line.repository)
        printed = ("--printed-wrap", str(paper))
        assert line.run("list", "--manifests")[0] == 2
        listed = json.loads(well(line, "list", "--manifests", "--json", *printed))
        to = tmp_path / "os.img"
        name = listed["manifests"][0]["manifest"]

        well(line, "restore", "--manifest", name, "--to", str(to), *printed)
        well(line, "rebuild-control", *printed)

        assert to.read_bytes() == FULL.content
        assert everything(line.repository) == before
        well(line, "rebuild-control", "--accept-losses", *printed)
        for point in POINTS:
            restores(line, point, tmp_path)

    def test_headers_lost_too_leave_nothing_that_says_which_key_counts(
        self, line: CommandLine
    ) -> None:
        (line.repository / "data" / "header").unlink()
        code, _, err = line.run("rebuild-control")
        assert (code, "KeyMismatch" in err or "NotInitialised" in err) == (2, True)

    def test_a_slot_that_is_lost_is_said(self, line: CommandLine, tmp_path: Path) -> None:
        manifests = sorted(line.repository.glob("data/c/*/m/*/*/*"))
        spoil(manifests[0])

        code, out, _ = line.run("rebuild-control", "--accept-losses")

        assert code == 1
        assert "LOST slot 1 of chain " in out
        restores(line, INCREMENTAL, tmp_path)


def test_a_point_that_is_damaged_leaves_its_disks_to_be_had(
    line: CommandLine, tmp_path: Path
) -> None:
    spoil(point_path(line.repository, FULL.run_id))
    listed = json.loads(well(line, "list", "--manifests", "--json"))
    name = next(each["manifest"] for each in listed["manifests"] if each["runId"] == FULL.run_id)
    to = tmp_path / "os.img"

    well(line, "restore", "--manifest", name, "--to", str(to))

    assert to.read_bytes() == FULL.content
    code, out, _ = line.run("repair")
    assert (code, "control/v/" in out) == (1, True)


def test_a_manifest_with_damage_has_holes(line: CommandLine, tmp_path: Path) -> None:
    listed = json.loads(well(line, "list", "--manifests", "--json"))
    name = listed["manifests"][0]["manifest"]
    damage_pack(line.repository)
    to = str(tmp_path / "os.img")

    assert line.run("restore", "--manifest", name, "--to", to)[0] == 1
    code, out, _ = line.run("restore", "--manifest", name, "--to", to, "--keep-going", "--json")

    assert code == 1
    assert json.loads(out)[0]["holes"][0]["offset"] == 0
    for words in (
        ["--manifest", "x", "--to", to],
        ["--manifest", "c/x", "--to", to, "--disk", "d"],
    ):
        assert line.run("restore", *words)[0] == 2
