"""What a person lets go of: garbage, disks that are gone, objects that nobody brings back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.mending import POINTS, everything, restores, well
from tests.unit.cli.program import (
    FULL,
    INCREMENTAL,
    VMS,
    CommandLine,
    FilledBench,
    spoil,
)
from tests.unit.repository.data.bench import PARAMETERS, Disk, silent
from tests.unit.repository.opened.whole_bench import in_folder
from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.repair.repairing import begin_healing
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk


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
