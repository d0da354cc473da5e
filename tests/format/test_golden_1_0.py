"""Golden repositories of format 1.0: read by the page's reader and by the core, for ever."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from tests.format.golden.disks import ALWAYS, TurnedClock, run_of, silent
from tests.format.golden.logs import state
from tests.format.golden_1_0 import EXCLUDED, FOLDER, REPOSITORIES, SHORTENED
from tests.format.test_reader import read
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.commits.commits import commits
from vmbackup_core.repository.control.log.heads import HeadsOfProcess
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.log.log_reader import Reading
from vmbackup_core.repository.control.points.points import PointDisk, StampedRetention, open_counted
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.copied_packs import CopiedPacks
from vmbackup_core.repository.data.healing import HealingIndex, HealingPack
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.named_disk import Patient
from vmbackup_core.repository.data.restore import Holes, restore_manifest
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.repository.primitives.names import log_name
from vmbackup_core.repository.primitives.opening import OpenedKeys, open_keys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.transfer import DiskSink
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import Buffer, ObjectUnreadable
from vmbackup_operator.model.exclusions import ExcludedDisk
from vmbackup_operator.model.vm_description import excluded_in

NAMES = sorted(each.parent.name for each in FOLDER.glob("*/expected.json"))
SEALED = {"CHAN", "COMM", "HOLD", "LOGO", "MANI", "PLST", "PONT", "SECT", "STAT", "TABL"}
ENTRIES = {
    "begunAnew",
    "claimed",
    "dropped",
    "epoch",
    "expiring begun",
    "expiring done",
    "healed begun",
    "healed done",
    "key",
    "proven",
    "rebuilt",
    "recorded",
    "bad",
}


def expected(name: str) -> Any:
    return json.loads((FOLDER / name / "expected.json").read_bytes())


def report_of(folder: Path) -> Any:
    offline = folder / "offline"
    more = ("--offline", offline) if offline.exists() else ()
    return read(folder / "repository", folder / "key", "--json", *more)


def restored(report: Any) -> dict[tuple[str, str, str, int], tuple[str | None, list[list[int]]]]:
    """Return digest and holes of each disk of each point."""
    return {
        (point["vm"], point["run"], disk["chain"], disk["slot"]): (disk["sha256"], disk["holes"])
        for point in report["points"]
        for disk in point["disks"]
    }


def check_report(report: Any, wanted: Any) -> None:
    assert restored(report) == restored(wanted)
    assert sorted({each["object"] for each in report["findings"]}) == wanted["findings"]
    assert report["repositoryId"] == wanted["repositoryId"]
    assert set(report["headers"].values()) == {wanted["putIfAbsent"]}
    assert report["masters"] == wanted["epochs"]
    log = report["log"]
    assert (log["owner"], log["number"], log["head"]) == (
        wanted["owner"],
        wanted["log"]["number"],
        wanted["log"]["sha256"],
    )
    assert set(wanted.get("unlogged", [])) <= set(report["uncounted"])
    excluded = {each["run"]: each["excluded"] for each in report["points"] if each["excluded"]}
    assert excluded == wanted.get("excluded", {})


def test_every_repository_is_kept() -> None:
    assert sorted(REPOSITORIES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_are_never_edited(name: str) -> None:
    folder = FOLDER / name
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "expected.json"
    }

    assert found == expected(name)["files"]


@pytest.mark.parametrize("name", NAMES)
def test_the_reader_of_the_page_reads_it(name: str) -> None:
    check_report(report_of(FOLDER / name), expected(name))


def test_either_user_key_opens_both_epochs() -> None:
    folder = FOLDER / "rotated"
    with_first, with_second = (
        read(folder / "repository", folder / key, "--json") for key in ("key", "second-key")
    )

    assert with_first == with_second


def test_together_they_show_every_kind_of_object_record_and_entry() -> None:
    reports = [report_of(FOLDER / name) for name in NAMES]
    sealed, records, entries = (
        sum((Counter(count) for count in counts), Counter[str]())
        for counts in (
            [each["sealed"] for each in reports],
            [each["records"] for each in reports],
            [each["log"]["kinds"] for each in reports],
        )
    )

    assert {kind.split()[0] for kind in sealed} == SEALED
    assert {kind.split(maxsplit=1)[1] for kind in sealed} == {"codec 0", "codec 1"}
    own = {f"codec {codec}" for codec in range(3)}
    assert set(records) == own | {f"moved {each}" for each in own} | {"healed"}
    assert set(entries) == ENTRIES
    assert {way for each in reports for way in each["headers"].values()} == {
        "native",
        "link",
        "rename",
        "exclusive",
    }
    chains = [chain for each in reports for chain in each["chains"]]
    assert {chain["purpose"] for chain in chains} == {"live", "archive"}
    assert {chain["generation"] for chain in chains} == {0, 1}
    kinds = {(of[0], of[1]) for chain in chains for of in chain["commits"].values() if of}
    assert kinds == {
        ("backup", None),
        ("compact", None),
        ("skip", "damaged"),
        ("skip", "retired"),
    }
    assert all(
        sum(chain["sections"].get(kind, 0) for chain in chains) > 1 for kind in ("bases", "patches")
    )


@pytest.mark.parametrize("name", sorted(REPOSITORIES))
def test_what_is_written_today_is_read_by_the_page_alone(name: str, tmp_path: Path) -> None:
    shop, key_file = REPOSITORIES[name]()
    shop.write(tmp_path, key_file)

    check_report(report_of(tmp_path), json.loads((tmp_path / "expected.json").read_bytes()))


def test_a_state_says_what_the_thousand_objects_before_it_said(tmp_path: Path) -> None:
    shop, key_file = state(whole=True)
    shop.write(tmp_path, key_file)

    report = report_of(tmp_path)

    check_report(report, json.loads((tmp_path / "expected.json").read_bytes()))
    assert report["objects"]["control"]["log"] == 1_001


KINDS = {
    "control": {
        "header": "header",
        "wrap": "w/*",
        "log": "l/*/*",
        "chain header": "c/*/chain",
        "commit": "c/*/k/*/*",
        "pack list": "c/*/x/*/*/*",
        "point": "v/*/*",
        "hold": "d/*/*/*/*",
    },
    "data": {
        "pack": "c/*/p/*/*/*/*",
        "index object": "c/*/i/*/*/*/*",
        "manifest": "c/*/m/*/*/*",
    },
}


@pytest.mark.parametrize(
    ("place", "kind"), [(place, kind) for place, kinds in KINDS.items() for kind in kinds]
)
def test_the_reader_finds_a_byte_that_was_altered(place: str, kind: str, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    shutil.copytree(FOLDER / "plain" / "repository", root)
    shutil.copy(FOLDER / "plain" / "key", tmp_path)
    altered = max((root / place).glob(KINDS[place][kind]))
    content = bytearray(altered.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    altered.write_bytes(content)

    report = report_of(tmp_path)

    found = {each["object"] for each in report["findings"]}
    assert f"{place}:{altered.relative_to(root / place).as_posix()}" in found


def test_an_altered_log_object_costs_what_it_said_and_nothing_behind_it(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    shutil.copytree(FOLDER / "rotated" / "repository", root)
    shutil.copy(FOLDER / "rotated" / "key", tmp_path)
    whole = restored(report_of(tmp_path))
    altered = root / "control" / log_name(7)
    content = bytearray(altered.read_bytes())
    content[-1] ^= 1
    altered.write_bytes(content)

    report = report_of(tmp_path)

    lost = {key: disk for key, disk in whole.items() if key[1] == run_of(2)}
    assert len(lost) == 1
    assert restored(report) == {key: disk for key, disk in whole.items() if key not in lost}
    found = {each["object"] for each in report["findings"]}
    assert found == {f"control:{log_name(number)}" for number in (7, 8)}


class Sink(DiskSink):
    def __init__(self, size: int) -> None:
        self.content = bytearray(size)

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        self.content[offset : offset + len(data)] = data


class TieredDirectory(DirectoryStore):
    """A folder of which some objects are said to be in the Archive tier."""

    def __init__(self, root: Path, offline: Collection[str]) -> None:
        super().__init__(root)
        self._offline = offline

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._check(name)
        return super().get_range(name, offset, length)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        self._check(name)
        return super().get_end(name, length, size=size)

    def _check(self, name: str) -> None:
        if name in self._offline:
            raise ObjectUnreadable(f"reading {name}: BlobArchived", reason="BlobArchived")


class Opened:
    """A golden repository as the core opens it."""

    def __init__(self, name: str) -> None:
        folder = FOLDER / name
        names = folder / "offline"
        offline = names.read_text().split() if names.exists() else []
        self.data = TieredDirectory(folder / "repository" / "data", offline)
        places = Places(self.data, DirectoryStore(folder / "repository" / "control"))
        self.keys: OpenedKeys = open_keys(places, UserKey.parse((folder / "key").read_bytes()))
        self.control = Control(places.control, self.keys.ring)
        log = Log(self.control, HeadsOfProcess(), Author("reader", "reader"), TurnedClock())
        self.reading: Reading = log.read()

    def healing(self, chain: ChainId) -> list[HealingPack]:
        done = (each for each in self.reading.state.healed.values() if each.chain == chain)
        return [
            HealingPack(each.session, pack.number, pack.size, bytes.fromhex(pack.foot_sha256))
            for each in done
            for pack in each.packs
        ]

    def restore(self, disk: PointDisk, run: RunId) -> tuple[str | None, list[list[int]]]:
        """Return digest and holes of a disk of *run*'s point, as the reader of the page does."""
        chain, newest = disk.chain_id, self.reading.state.newest_epoch
        keys = chain_keys.for_reading(self.keys.ring, chain, 1, newest)
        digest = bytes.fromhex(disk.manifest_sha256)
        try:
            manifest = open_manifest(self.data, keys, disk.manifest_name, digest)
        except CorruptRepository:
            return None, []
        begun = manifest.said.chain_epoch
        keys = chain_keys.for_reading(self.keys.ring, chain, begun, newest)
        sink = Sink(manifest.said.disk_bytes)
        healed = HealingIndex.load(self.data, keys, self.healing(chain))
        source = Patient(CopiedPacks(self.data, run))
        holes = restore_manifest(
            source, keys, manifest, healed, sink, keep_going=True, threads=1, progress=silent
        )
        return hashlib.sha256(sink.content).hexdigest(), pairs(holes)

    def point_disks(self, entry: Recorded) -> tuple[PointDisk, ...]:
        try:
            return open_counted(self.control, entry).disks
        except CorruptRepository:
            return ()


def test_the_core_reads_all_that_a_retention_can_say() -> None:
    opened = Opened("shortened")
    entries = sorted(opened.reading.state.counted.values(), key=lambda each: each.created_at)

    said = [open_counted(opened.control, each).retention for each in entries]

    assert said == [ALWAYS, SHORTENED]
    assert StampedRetention.of(said[1].stamp) == SHORTENED


def test_which_disks_a_point_leaves_out_is_read_as_it_was_written() -> None:
    opened = Opened("tiered")
    (entry,) = opened.reading.state.counted.values()

    said = excluded_in(open_counted(opened.control, entry).vm_description)

    assert said == tuple(ExcludedDisk(**each) for each in EXCLUDED)


def pairs(holes: Holes) -> list[list[int]]:
    return [[extent.offset, extent.length] for extent in holes.extents]


@pytest.mark.parametrize("name", NAMES)
def test_the_core_opens_it_reads_its_log_and_restores_its_points(name: str) -> None:
    wanted, opened = expected(name), Opened(name)
    reading = opened.reading
    said = wanted["log"]

    found = {
        (entry.vm, entry.run, disk.chain_id, int(disk.slot)): opened.restore(disk, entry.run)
        for entry in reading.state.counted.values()
        for disk in opened.point_disks(entry)
    }

    assert found == restored(wanted)
    assert opened.keys.repository == wanted["repositoryId"]
    assert sorted(opened.keys.ring.masters) == wanted["epochs"]
    assert {each.put_if_absent for each in opened.keys.headers.values()} == {wanted["putIfAbsent"]}
    assert (reading.number, reading.sha256) == (said["number"], said["sha256"])
    assert reading.state.owner == wanted["owner"]
    in_log = {f"control:{log_name(each.number)}" for each in reading.findings}
    assert in_log == {each for each in wanted["findings"] if each.startswith("control:l/")}


@pytest.mark.parametrize("name", NAMES)
def test_the_core_finds_the_commits_that_the_reader_finds(name: str) -> None:
    opened = Opened(name)
    for chain in report_of(FOLDER / name)["chains"]:
        found = {
            str(each.slot): each.commit
            and [each.commit.kind, each.commit.reason, each.commit.of_slot]
            for each in commits(opened.control, ChainId(chain["chain"]))
        }
        assert found == chain["commits"]
