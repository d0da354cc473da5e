"""A restore job in one process, whatever its targets are: all comes back, or it fails by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.worker.data_place import DataPlace, Expired
from tests.unit.worker.restoring_scenes import BLOCK, URL, Attached, Scene, uploading
from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.ids import ChainId
from vmbackup_core.protocol import RepositoryAccess
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_worker.access import Stopped


@pytest.fixture(params=["uploaded", "attached"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    if request.param == "attached":
        yield Attached(tmp_path / "dev")
        return
    with uploading() as made:
        yield made


def test_every_disk_comes_back(scene: Scene) -> None:
    result = scene.restored()

    assert scene.is_right
    assert [each.disk_id for each in result.disks] == ["/targets/os", "/targets/data"]


def test_a_target_of_another_size_is_refused_before_anything_is_written(scene: Scene) -> None:
    job = scene.job()
    scene.lengthen(1)

    failed = scene.failure(job)

    assert failed.disk_id == "/targets/data"
    assert isinstance(failed.cause, PermanentError)
    assert failed.cause.reason == "DiskSizeDiffers"
    assert scene.is_untouched


def cut(scene: Scene, name: str) -> None:
    scene.data.overwrite(name, scene.data.get(name)[:-4000])


def flip(scene: Scene, name: str) -> None:
    """Damage the first block."""
    content = bytearray(scene.data.get(name))
    content[500] ^= 1
    scene.data.overwrite(name, bytes(content))


def lose(scene: Scene, name: str) -> None:
    scene.data.delete(name)


@pytest.mark.parametrize("damage", [flip, cut, lose])
def test_a_lost_block_fails_the_job_by_name(
    scene: Scene, damage: Callable[[Scene, str], None]
) -> None:
    job, chain = scene.job(), scene.point.disks[0].chain_id
    listed = (each.name for each in scene.data.list(f"c/{chain}/p/"))
    name = next(each for each in listed if isinstance(parse_data(each), PackName))
    damage(scene, name)

    failed = scene.failure(job)

    assert failed.disk_id == "/targets/os"
    assert isinstance(failed.cause, CorruptRepository)
    assert name in str(failed.cause)
    assert not scene.is_right


@pytest.mark.parametrize(
    "wrong",
    [
        {"slot": 2},
        {"unique_id": "another"},
        {"snapshot_unique_id": "another"},
        {"disk_bytes": BLOCK},
        {"manifest_sha256": "0" * 64},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_manifest_that_is_not_what_the_point_says_ends_the_job(
    scene: Scene, wrong: dict[str, object]
) -> None:
    failed = scene.failure(scene.altered_job(**wrong))

    assert isinstance(failed.cause, CorruptRepository)
    assert scene.is_untouched


def test_keys_of_another_chain_end_the_job(scene: Scene) -> None:
    failed = scene.failure(scene.altered_job(chain_id=ChainId("0" * 32)))

    assert "the keys of chain" in str(failed)
    assert scene.is_untouched


def test_the_repositorys_sas_is_renewed(scene: Scene) -> None:
    expired, job = Expired(), scene.job()
    fresh = RepositoryAccess("http://127.0.0.1:1/data?sig=fresh")
    places: dict[str, DataPlace] = {URL: expired, fresh.container_url: scene.place}
    work = scene.work(job, 30, lambda access: places[access.container_url])
    renewed = msgspec.structs.replace(job, repository=fresh)

    expired.run_renewed(work.run, lambda: work.renew(renewed))

    assert scene.is_right


def test_a_job_that_is_told_to_stop_is_gone_on_with_by_the_next(scene: Scene) -> None:
    scene.once_a_pack_is_read(scene.stop.set)
    with pytest.raises(Stopped):
        scene.work().run()
    assert not scene.is_right

    scene.stop.clear()
    scene.restored()

    assert scene.is_right
