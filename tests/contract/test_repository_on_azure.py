"""A repository in a real Azurite, with no more rights than a worker and a reader have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from tests.contract.conftest import ACCOUNT
from tests.contract.test_stores import new_container_url, with_sas
from tests.unit.repository.opened.whole_bench import WholeBench, holder, some_disks
from tools.local_cloud.azurite import Azurite
from vmbackup_core.repository.control.repair.repairing import Elsewhere
from vmbackup_core.repository.opened_repair import DataAlone
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.port import CredentialsRefused, Store
from vmbackup_operator.services.exported_disk import ExportedDisk


@dataclass(frozen=True)
class Containers:
    """The two containers of a repository, and clients that end with the test."""

    azurite: Azurite
    data: str
    control: str
    clients: ExitStack

    def by_key(self) -> Places:
        key = self.azurite.accounts[ACCOUNT]
        return Places(self._store(self.data, key), self._store(self.control, key))

    def by_sas(self, data: str, control: str) -> Places:
        """Return both by SAS with these rights."""
        return Places(self.store(self.data, data), self.store(self.control, control))

    def store(self, url: str, rights: str) -> Store:
        return self._store(with_sas(url, self.azurite, rights), None)

    def _store(self, url: str, key: str | None) -> Store:
        return AzureBlobStore(self.clients.enter_context(container_client(url, key)))


@pytest.fixture
def containers(running_azurite: Azurite) -> Iterator[Containers]:
    with ExitStack() as clients:
        urls = (new_container_url(running_azurite), new_container_url(running_azurite))
        yield Containers(running_azurite, *urls, clients)


def test_disks_go_to_azure_and_come_back(containers: Containers) -> None:
    bench = WholeBench(containers.by_key())
    bench.begun()
    bench.writer = containers.store(containers.data, "rc")

    points = [bench.back_up(number, some_disks(1)) for number in (1, 2)]

    assert sum(disk.stored_bytes for disk in points[0].disks) > 40 * 4096
    reader = replace(bench, places=containers.by_sas("rl", "rl"))
    reading = reader.opened(appliance=None)
    for point in points:
        assert reader.restored(point, reading) == []
    assert reading.check(read_data=True).findings == ()


def test_of_an_unchanged_disk_no_block_is_stored_again(containers: Containers) -> None:
    bench = WholeBench(containers.by_key())
    bench.begun()
    bench.back_up(1, some_disks(1))
    packs = [each.name for each in bench.places.data.list("c/") if "/p/" in each.name]

    bench.back_up(2, some_disks(1))

    assert [each.name for each in bench.places.data.list("c/") if "/p/" in each.name] == packs


def test_lost_blocks_come_back_from_a_container_and_from_an_export(containers: Containers) -> None:
    bench = WholeBench(containers.by_key())
    bench.begun()
    point = bench.back_up(1, some_disks(1))
    content = bench.disks[point.run_id, "os"]
    chain = next(disk.chain_id for disk in point.disks if disk.name == "os")
    copy = bench.copied().opened(appliance=None).repairs.as_source(lambda: None)
    bench.places.data.put_new("snapshot", content)
    export = ExportedDisk(containers.store(containers.data, "r"), "snapshot")
    packs = [each.name for each in bench.places.data.list(f"c/{chain}/p/")]

    for elsewhere in (Elsewhere(export, export.size_bytes()), Elsewhere(repository=copy)):
        for name in (*packs, *(each.name for each in bench.places.data.list(f"c/{chain}/h/"))):
            bench.places.data.delete(name)
        repairs = bench.opened(appliance=None).repairs
        plan = repairs.plan(chain, elsewhere)
        assert plan is not None
        with repairs.held(chain, bench.run(9), "a test"):
            assert repairs.heal(plan, bench.run(9), lambda: None) is not None
        assert bench.restored(point) == []

    bench.places.data.delete("snapshot")


def test_control_is_made_again_in_an_empty_container(containers: Containers) -> None:
    bench = WholeBench(containers.by_key())
    bench.begun()
    bench.writer = containers.store(containers.data, "rc")
    point = bench.back_up(1, some_disks(1))
    for each in list(bench.places.control.list("")):
        bench.places.control.delete(each.name)
    alone = DataAlone(bench.places, bench.key, bench.clock)

    rebuilt = alone.rebuild(alone.began_by() or "", lambda: "native")

    assert [each.run for each in rebuilt.points] == [point.run_id]
    (back,) = bench.opened(appliance=None).points()
    assert bench.restored(back.point) == []


def test_a_refusal_says_so_without_the_sas(containers: Containers) -> None:
    bench = WholeBench(containers.by_key())
    bench.begun()
    refused_everything = replace(bench, places=containers.by_sas("c", "c"))

    with pytest.raises(CredentialsRefused, match="403 Authorization") as refused:
        refused_everything.opened()

    assert "sig=" not in str(refused.value)


def test_a_reader_without_rights_to_hold_restores_and_is_told(containers: Containers) -> None:
    bench = WholeBench(containers.by_key())
    bench.begun()
    point = bench.back_up(1, some_disks(1))
    reader = replace(bench, places=containers.by_sas("rl", "rl"))
    said: list[str] = []

    with reader.opened(appliance=None).held(point, holder(), said.append) as there:
        assert there.places == ()

    assert len(said) == 1
    assert "could not be held" in said[0]
