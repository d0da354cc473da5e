"""What the bench writes into a repository is points that restore, each on the one before."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from tools.bench.engine.aged import BLOCK, CHANGED_BLOCKS, Content, age, expire_all_but_newest
from tools.bench.engine.repository import Repository
from tools.bench.engine.restore_requests import requests_of_a_restore
from vmbackup_core.repository.control.chains.holds import Holder
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan
from vmbackup_core.repository.transfer import DiskSink
from vmbackup_core.stores.port import Buffer


class Beginning(DiskSink):
    """The beginning of a disk that is restored to."""

    def __init__(self, size_bytes: int) -> None:
        self.content = bytearray(size_bytes)

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        self.content[offset : offset + len(data)] = data


def test_points_are_increments_of_one_chain_and_the_newest_is_the_disk(tmp_path: Path) -> None:
    repository, content = Repository(tmp_path / "repository"), Content()
    age(repository, content, 4)
    points = list(repository.opened.points())
    newest = points[0].point
    sink = Beginning(len(content.content))
    with repository.opened.held(newest, Holder("c" * 32, "restore", "a test")) as there:
        repository.opened.restore_disk(there, newest.disks[0], sink, threads=1)

    assert len(points) == 4
    assert {each.point.disks[0].chain_id for each in points} == {newest.disks[0].chain_id}
    assert newest.disks[0].read_bytes == CHANGED_BLOCKS * BLOCK
    assert sink.content == content.content


def test_requests_of_a_restore_are_counted(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    age(repository, Content(), 3)
    requests = requests_of_a_restore(repository)

    assert requests["get_range"] >= 1
    assert requests["packs"] == 3


def test_all_but_the_newest_point_expire_and_their_packs_are_garbage_then(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    age(repository, Content(), 4)
    (newest, *_) = repository.opened.points()
    expire_all_but_newest(repository.opened)
    (plan,) = repository.opened.upkeep.plan_prune()

    assert [each.point.run_id for each in repository.opened.points()] == [newest.point.run_id]
    assert isinstance(plan, PrunePlan)
    assert plan.data
