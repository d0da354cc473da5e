"""Life after damage as a person has it: damage, repair or rebuild, a good check, equal disks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.program import (
    FULL,
    INCREMENTAL,
    VMS,
    CommandLine,
    FilledBench,
    Made,
    damage_pack,
    point_path,
    spoil,
)
from tests.unit.repository.data.bench import PARAMETERS, Disk, silent
from tests.unit.repository.opened.whole_bench import APPLIANCE, in_folder
from tests.unit.repository.primitives.keepers import B
from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.repairing import begin_healing
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.opened import begin_repository
from vmbackup_operator.cli import main

POINTS = (FULL, INCREMENTAL)


def oldest_pack(folder: Path) -> Path:
    return next(each for each in sorted(folder.glob("data/c/*/p/00000/001/*/*")) if each.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def replace_by_another(path: Path) -> None:
    other = next(
        each for each in sorted(path.parents[2].rglob("*")) if each.is_file() and each != path
    )
    path.write_bytes(other.read_bytes())


def junk(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


DAMAGES: list[Callable[[Path], None]] = [flip, cut, Path.unlink, replace_by_another, junk]


def everything(folder: Path) -> dict[str, bytes]:
    found = (
        each for each in folder.rglob("*") if each.is_file() and ".unfinished" not in str(each)
    )
    return {str(each.relative_to(folder)): each.read_bytes() for each in found}


def well(line: CommandLine, *words: str) -> str:
    code, out, err = line.run(*words)
    assert (code, err) == (0, ""), out + err
    return out


def restores(line: CommandLine, point: Made, to: Path) -> None:
    path = to / point.run_id
    well(line, "restore", "--point", point.run_id, "--disk", "os", "--to", str(path))
    assert path.read_bytes() == point.content


@pytest.fixture
def copied(repository: Path, tmp_path: Path) -> Path:
    """Return a copy of the repository from before the damage."""
    return Path(shutil.copytree(repository, tmp_path / "copy"))


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


def chain_of(line: CommandLine) -> ChainId:
    return ChainId(next(line.repository.glob("data/c/*")).name)


def write_in_vain(bench: FilledBench, number: int, content: bytes) -> None:
    """Have a run store a disk and never commit it."""
    asked = bench.asked(number, "os", content)
    prepared = bench.opened().prepare_disk(asked, PARAMETERS)
    to_read = DiskToRead(Disk(content), [Extent(0, len(content))], None)
    data = bench.places.data
    write_disk(data, prepared.keys, prepared.grant, to_read, threads=1, progress=silent)


def test_a_disk_that_is_gone_is_retired(line: CommandLine) -> None:
    FilledBench(in_folder(line.repository)).commit_only(3, "other", FULL.content)

    assert json.loads(well(line, "retire", "--disk", "other", "--json"))["retired"]

    well(line, "check", "--read-data")
    assert "is retired" in well(line, "retire", "--disk", "OTHER")


def test_what_is_garbage_is_printed_and_then_deleted(line: CommandLine, tmp_path: Path) -> None:
    bench = FilledBench(in_folder(line.repository))
    assert "0 objects, 0 B, deleted" in well(line, "prune")
    write_in_vain(bench, 3, FULL.content[::-1])
    bench.back_up(4, {"os": INCREMENTAL.content}, vm_id=VMS.format("g", "web"))
    before = everything(line.repository)

    planned = json.loads(well(line, "prune", "--dry-run", "--json"))

    assert everything(line.repository) == before
    (chain,) = planned["chains"]
    names = {each["name"] for each in chain["objects"]}
    assert names
    assert "would be deleted" in well(line, "prune", "--dry-run")
    said = well(line, "prune")
    assert f"{len(names)} objects, " in said
    gone = before.keys() - everything(line.repository).keys()
    assert names == gone
    well(line, "check", "--read-data")
    for point in POINTS:
        restores(line, point, tmp_path)


def test_nothing_is_pruned_of_a_log_that_was_put_back(line: CommandLine) -> None:
    head = json.loads(well(line, "check", "--json"))["head"]
    assert "deleted" in well(line, "prune", "--expect-head", head)

    code, out, err = line.run("prune", "--expect-head", f"9:{'0' * 64}")

    assert (code, out) == (2, "")
    assert err.startswith("vmbackup: HistoryRolledBack: ")


def test_a_chain_with_points_is_not_retired(line: CommandLine) -> None:
    for words in (["--disk", "os"], ["--chain", chain_of(line)]):
        code, _, err = line.run("retire", *words)
        assert code == 2
        assert err.startswith("vmbackup: ChainInUse: ")
    assert line.run("retire", "--chain", "f" * 32)[2].startswith("vmbackup: NoSuchChain: ")


@pytest.mark.parametrize(
    ("what", "pattern"), [("commit", "control/c/*/k/*/*"), ("manifest", "data/c/*/m/*/*/*")]
)
def test_prune_goes_on_once_what_is_damaged_is_dropped(
    line: CommandLine, what: str, pattern: str
) -> None:
    chain = chain_of(line)
    bench = FilledBench(in_folder(line.repository))
    bench.back_up(3, {"os": INCREMENTAL.content}, vm_id=VMS.format("g", "web"))
    order = ("drop", what, "--chain", chain, "--slot", "2")
    refused = line.run(*order)
    assert (refused[0], refused[2][:22]) == (2, "vmbackup: NotDamaged: ")
    newest = 0 if what == "manifest" else -1
    paths = sorted(line.repository.glob(pattern), reverse=newest == -1)
    spoil(paths[1])
    assert f"chain {chain} is left alone" in well(line, "prune")

    assert "is dropped" in well(line, *order, "--why", "nobody has it")

    assert "left alone" not in well(line, "prune")
    assert "was dropped before" in well(line, *order)


def test_a_repair_that_died_is_named_and_given_up(line: CommandLine) -> None:
    bench = FilledBench(in_folder(line.repository))
    session = begin_healing(bench.opened().log, chain_of(line), bench.run(7))

    assert f"UNFINISHED repair {session}" in well(line, "repair")
    well(line, "drop", "healing", "--session", session)

    assert "UNFINISHED" not in well(line, "repair")
    again = line.run("drop", "healing", "--session", session)
    assert (again[0], again[2].split(":")[1]) == (2, " HealingUnknown")
    for words in (
        ["healing"],
        ["commit", "--chain", "x"],
        ["commit", "--chain", "x", "--slot", "0"],
    ):
        assert line.run("drop", *words)[2].startswith("vmbackup: Misunderstood: ")
