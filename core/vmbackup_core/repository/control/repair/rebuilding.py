"""Makes the control place again from data, where the log is lost; section 33, `--rebuild-control`.

By order of a person. The old control place was put aside before; the new one has the headers and
wraps, which opening has put back. Broken off, it is begun again and finds what it has put.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.ids import ChainId, CommitSlot, DiskUniqueId, RunId
from vmbackup_core.repository.control.backup.skipping import skip_to_nothing
from vmbackup_core.repository.control.chains.chain_said import (
    ChainHeader,
    ChainParameters,
    seal_header,
)
from vmbackup_core.repository.control.chains.healing_feet import healing_packs
from vmbackup_core.repository.control.commits.commits import Commit, find_commit, seal_commit
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import (
    ENTRIES_MOST,
    BegunAnew,
    Claimed,
    Entry,
    Healed,
    HealingPack,
    NewEpoch,
    Rebuilt,
    Recorded,
)
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import (
    DISKS_MOST,
    OpenedPoint,
    PointDisk,
    RecoveryPoint,
    StampedRetention,
    open_point,
)
from vmbackup_core.repository.control.repair.taken_manifests import (
    Taken,
    TakenOfChain,
    needed_by,
    take_manifests,
)
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.data.said import ManifestSaid
from vmbackup_core.repository.primitives.chain_keys import for_reading
from vmbackup_core.repository.primitives.failures import RepositoryThere
from vmbackup_core.repository.primitives.identities import WritingSession, is_id
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.names import (
    CHAINS,
    FIRST_EPOCH,
    LOG,
    point_name,
    prefix_of_chain,
    prefix_of_session,
)
from vmbackup_core.repository.primitives.parsed_names import LogName, parse_control
from vmbackup_core.stores.port import NotStored, Store

#: What nobody can tell from data: said in the log, and to who has asked for it.
ALWAYS_LOST: Final = "descriptions of VMs, policies and retention, holds, what was bad or expiring"

_LOST_BYTES: Final = 60_000
_KEPT: Final = StampedRetention(10_000, 0, 0, 0, 0)
_DESCRIPTION: Final = json.dumps(
    {
        "schema": 1,
        "source": "session",
        "apiVersion": None,
        "virtualMachine": None,
        "networkInterfaces": [],
        "resolved": None,
    }
)


class ControlThere(RepositoryThere):
    """Something of control is there that says what counts: nothing is made again beside it."""

    def __init__(self, name: str) -> None:
        PermanentError.__init__(
            self,
            f"control is not made again: {name} is there, and is not what would be made; put the "
            "old control place aside where it is of no use any more",
            reason="ControlThere",
        )
        self.name = name


@dataclass(frozen=True, slots=True)
class RebuiltControl:
    """What came back, and in words what did not."""

    chains: int
    points: tuple[Recorded, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Committed:
    """A manifest with the commit that was made for it again."""

    taken: Taken
    commit_sha256: str
    stored_bytes: int


def rebuild_control(log: Log, data: Store) -> RebuiltControl:
    """Make chain headers, commits, pack lists, points and log again from what lies in *data*.

    Raise ControlThere, and write nothing, where control has a log object that opens; NewerFormat
    where it has one that is not understood.
    """
    check_log_lost(log.control)
    chains = take_all(data, log.control.ring)
    committed = [each for chain in chains for each in _commit_all(log, data, chain)]
    by_name = {each.taken.name: each for each in committed}
    points = [
        _put_point(log, [by_name[each.name] for each in disks]) for disks in points_of(chains)
    ]
    lost = (ALWAYS_LOST, *(each for chain in chains for each in chain.lost))
    entries: list[Entry] = [
        Claimed(appliance=log.author.appliance, from_=None),
        Rebuilt(lost=_as_text(lost)),
        *_epoch(log),
        *_generations(log, chains),
        *(entry for chain in chains for entry in _healing(log, data, chain)),
        *(each.entry() for each in points),
    ]
    for at in range(0, len(entries), ENTRIES_MOST):
        log.append(_always(entries[at : at + ENTRIES_MOST]))
    return RebuiltControl(len(chains), tuple(each.entry() for each in points), lost)


def check_log_lost(control: Control) -> None:
    """Raise ControlThere where the log is there: nothing is made again beside what is known."""
    for name in control.names(LOG):
        if isinstance(parse_control(name), LogName):
            with suppress(CorruptRepository, NotStored):
                control.payload("LOGO", control.get("LOGO", name))
                raise ControlThere(name)


def take_all(data: Store, ring: KeyRing) -> list[TakenOfChain]:
    """Return which manifests of each chain would be taken; nothing is written."""
    return [take_manifests(data, ring, chain) for chain in _chains(data)]


def points_of(chains: Iterable[TakenOfChain]) -> Iterator[list[Taken]]:
    """Yield the disks of each point that would be made of them."""
    return _by_run(each for chain in chains for each in chain.by_slot.values())


def _chains(data: Store) -> Iterator[ChainId]:
    for folder in data.folders(CHAINS):
        part = folder.removeprefix(CHAINS)[:-1]
        if is_id(part):
            yield ChainId(part)


def _commit_all(log: Log, data: Store, chain: TakenOfChain) -> Iterator[_Committed]:
    """Put the chain's header and a commit for each slot; yield those that name a manifest."""
    if chain.newest is None:
        return
    log.control.put(seal_header(log.control, _header(log, chain.newest), _newest_epoch(log)))
    previous: str | None = None
    for number in range(1, chain.newest.slot + 1):
        slot = CommitSlot(number)
        taken = chain.by_slot.get(slot)
        if taken is None:
            commit = skip_to_nothing(log, chain.chain, slot, "damaged", previous)
        else:
            commit = _backup(log, data, taken, previous)
        previous = _put_commit(log, commit)
        if taken is not None:
            yield _Committed(taken, previous, commit.stored_bytes)


def _header(log: Log, newest: Taken) -> ChainHeader:
    said = newest.manifest.said
    disk = DiskUniqueId(said.disk.unique_id)
    before = None
    if said.generation > 0:
        before = log.control.master_of(said.chain_epoch).chain_name(disk, said.generation - 1)
    parameters = Parameters(said.block_bytes, said.shard_bytes, said.pack_bytes)
    return ChainHeader(
        chain_id=said.chain_id,
        generation=said.generation,
        epoch=said.chain_epoch,
        disk_unique_id=disk,
        predecessor=before,
        created_by=said.run_id,
        created_at=Time.of(log.clock.now()),
        purpose="archive" if _is_archive(log, said) else "live",
        parameters=ChainParameters.of(parameters),
    )


def _backup(log: Log, data: Store, taken: Taken, previous: str | None) -> Commit:
    said = taken.manifest.said
    nothing = OpenList.of(log.control, None, said.chain_id)
    entries = needed_by(data, log.control.ring, taken)
    return Commit(
        chain_id=said.chain_id,
        slot=said.slot,
        kind="backup",
        reason=None,
        run_id=said.run_id,
        session=said.session,
        manifest=taken.name.removeprefix(prefix_of_chain(said.chain_id)),
        manifest_sha256=taken.sha256,
        of_slot=said.slot,
        snapshot_unique_id=said.snapshot_unique_id,
        disk_bytes=said.disk_bytes,
        stored_bytes=_stored_bytes(data, taken),
        previous=previous,
        pack_list=put_list(nothing, entries, said.slot, _newest_epoch(log)),
        locked_until=None,
        by=log.author.by,
        at=Time.of(log.clock.now()),
    )


def _put_commit(log: Log, commit: Commit) -> str:
    """Put *commit*, or find the one that was put before this was broken off; return its digest."""
    made = seal_commit(log.control, commit, _newest_epoch(log))
    if log.control.put(made):
        return made.sha256
    there = find_commit(log.control, commit.chain_id, commit.slot)
    if there is None or there.commit is None or there.manifest != commit.manifest_name:
        raise ControlThere(made.name)
    return there.sha256


def _stored_bytes(data: Store, taken: Taken) -> int:
    said = taken.manifest.said
    folders = (
        prefix_of_session(said.chain_id, folder, said.slot, session)
        for session in said.sessions
        for folder in ("p", "i")
    )
    listed = (each.size_bytes for folder in folders for each in data.list(folder))
    return taken.size_bytes + sum(listed)


def _by_run(taken: Iterable[Taken]) -> Iterator[list[Taken]]:
    """Yield the disks of each run and VM; of a chain that a run has twice, the later slot."""
    found: defaultdict[tuple[str, RunId], dict[ChainId, Taken]] = defaultdict(dict)
    for each in sorted(taken, key=lambda one: one.slot):
        said = each.manifest.said
        vm = said.vm.id.encode().lower().decode()
        found[vm, said.run_id][said.chain_id] = each
    yield from (list(disks.values())[:DISKS_MOST] for disks in found.values())


def _put_point(log: Log, disks: Sequence[_Committed]) -> OpenedPoint:
    """Put the point of a run, or find the one that was put before this was broken off."""
    first = disks[0].taken.manifest.said
    taken = [each.taken.manifest.said.taken_at for each in disks]
    times = [each for each in taken if each is not None]
    point = RecoveryPoint(
        repository_id=log.control.ring.repository,
        run_id=first.run_id,
        appliance_id=log.author.appliance,
        vm_id=first.vm.id,
        vm_name=first.vm.name,
        vm_region=first.vm.region,
        vm_description=_DESCRIPTION,
        created_at=max(times) if times else Time.of(log.clock.now()),
        policy_namespace=None,
        policy_name=None,
        retention=_KEPT,
        kind="full" if any(_is_full(each) for each in disks) else "incremental",
        previous=None,
        origin=None,
        disks=tuple(_point_disk(each) for each in disks),
    )
    epoch = _newest_epoch(log)
    vm = log.control.master_of(epoch).vm_name(point.vm_id)
    made = log.control.seal("PONT", point_name(vm, point.run_id), point, epoch)
    if log.control.put(made):
        return OpenedPoint(vm, point, made.sha256)
    there = open_point(log.control, (vm, point.run_id))
    if there.point.commits() != point.commits():
        raise ControlThere(made.name)
    return there


def _is_full(each: _Committed) -> bool:
    return each.taken.manifest.said.kind == "full"


def _point_disk(each: _Committed) -> PointDisk:
    said = each.taken.manifest.said
    return PointDisk(
        id=said.disk.id,
        name=said.disk.name,
        unique_id=DiskUniqueId(said.disk.unique_id),
        lun=said.disk.lun,
        size_bytes=said.disk_bytes,
        snapshot_id="",
        snapshot_unique_id=said.snapshot_unique_id,
        chain_id=said.chain_id,
        slot=said.slot,
        commit_sha256=each.commit_sha256,
        manifest=each.taken.name.removeprefix(prefix_of_chain(said.chain_id)),
        manifest_sha256=each.taken.sha256,
        read_bytes=said.statistics.read_bytes,
        stored_bytes=each.stored_bytes,
    )


def _epoch(log: Log) -> Iterator[NewEpoch]:
    """Yield the entry of the newest epoch, where it is not the first."""
    newest = _newest_epoch(log)
    if newest > FIRST_EPOCH:
        master = log.control.master_of(newest)
        yield NewEpoch(epoch=newest, master_id=master.master_id, ended=())


def _is_archive(log: Log, said: ManifestSaid) -> bool:
    """Tell whether a manifest is of the chain of an archive session: its name alone says so."""
    disk, master = DiskUniqueId(said.disk.unique_id), log.control.master_of(said.chain_epoch)
    return said.chain_id == master.archive_name(said.run_id, disk)


def _generations(log: Log, chains: Sequence[TakenOfChain]) -> Iterator[BegunAnew]:
    """Yield what leads from each chain of a disk to the next generation that there is.

    Archives are no generations: each has a chain of its own.
    """
    of_disk: defaultdict[str, list[tuple[int, ChainId]]] = defaultdict(list)
    for chain in chains:
        if chain.newest is None:
            continue
        said = chain.newest.manifest.said
        if not _is_archive(log, said):
            of_disk[said.disk.unique_id.lower()].append((said.generation, chain.chain))
    for generations in of_disk.values():
        ordered = sorted(generations)
        for (_, before), (generation, after) in pairwise(ordered):
            yield BegunAnew(chain=before, successor=after, generation=generation, why="rebuilt")


def _healing(log: Log, data: Store, chain: TakenOfChain) -> Iterator[Healed]:
    """Yield that healing packs came and are there, for all whose foot opens: never pruned."""
    if chain.newest is None:
        return
    epoch = chain.newest.manifest.said.chain_epoch
    keys = for_reading(log.control.ring, chain.chain, epoch, _newest_epoch(log))
    of_session: defaultdict[tuple[WritingSession, RunId], list[HealingPack]] = defaultdict(list)
    for run, session, pack in healing_packs(data, keys):
        of_session[session, run].append(pack)
    for (session, run), packs in of_session.items():
        begun = Healed(
            chain=chain.chain, phase="begun", session=session, run=run, heals=(), packs=()
        )
        yield begun
        yield Healed(
            chain=chain.chain,
            phase="done",
            session=session,
            run=run,
            heals=(),
            packs=tuple(packs),
        )


def _newest_epoch(log: Log) -> int:
    return max(log.control.ring.masters)


def _as_text(lost: Sequence[str]) -> str:
    return "; ".join(lost).encode()[:_LOST_BYTES].decode(errors="ignore")


def _always(entries: Sequence[Entry]) -> Callable[[LogState], Sequence[Entry]]:
    return lambda _state: entries
