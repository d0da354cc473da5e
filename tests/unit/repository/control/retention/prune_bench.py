"""A chain whose manifests need packs that a test says, for prune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from tests.unit.repository.control.log_bench import (
    chain,
    run,
    wanting,
)
from tests.unit.repository.control.repository_bench import (
    RepositoryBench,
    manifest_of,
    session,
)
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.commits.pack_list import PACK, ListEntry
from vmbackup_core.repository.control.log.log_entries import Dropped
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.control.retention.prune_plan import (
    LeftAlone,
    Manifests,
    PrunePlan,
    Pruning,
    plan_prune,
)
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.data.tables import SessionRow
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.repository.primitives.steps import Steps
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotStored

CHAIN = chain(0)


def pack(slot: int, number: int = 0, of: int | None = None) -> PackId:
    """A pack of *slot* that run *of* (else the run of the slot's number) wrote."""
    return PackId(CommitSlot(slot), session(slot if of is None else of), number)


def entry(of: PackId) -> ListEntry:
    return ListEntry(PACK, SessionRow(of.slot, of.session, run(of.slot), 1), of.number, 4, 1)


@dataclass
class KnownManifests(Manifests):
    """Knows what each manifest needs; *damaged* ones do not open, of others a table does not."""

    bench: PruneBench
    needs: dict[str, list[PackId]] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    recounted: list[str] = field(default_factory=list)

    @override
    def check(self, name: str, sha256: str | None) -> None:
        if not is_there(self.bench.store, name):
            raise NotStored(name)
        if name in self.damaged:
            raise CorruptRepository(f"{name}: damaged")

    @override
    def recount(self, name: str, sha256: str | None) -> Sequence[ListEntry]:
        self.check(name, sha256)
        self.recounted.append(name)
        return [entry(each) for each in self.needs[name]]

    @override
    def recounting(self, name: str, sha256: str | None) -> Steps[Sequence[ListEntry]]:
        yield
        return self.recount(name, sha256)

    @override
    def count_what_opens(self, name: str, sha256: str | None) -> Sequence[ListEntry]:
        return []


@dataclass
class PruneBench(RepositoryBench):
    """A chain whose manifests need packs, one in the slot and one of the slot before."""

    known: KnownManifests = field(init=False)

    def __post_init__(self) -> None:
        self.known = KnownManifests(self)

    def put(self, *packs: PackId) -> None:
        for each in packs:
            self.store.put_new(pack_name(CHAIN, each), b"pack")

    def back_up(self, slot: int, *needs: PackId, recorded: bool = True) -> None:
        """Commit *slot* by the run of its number, whose manifest needs *needs*."""
        self.put(*(each for each in needs if each.slot == slot))
        self.known.needs[manifest_of(slot, slot)] = list(needs)
        point = self.committed(slot, slot)
        if recorded:
            record(self.log(), self.store, point)

    def pruning(self, store: MemoryStore | None = None) -> Pruning:
        return Pruning(self.log(store=store), store or self.store, self.known)

    def plan(self) -> PrunePlan:
        planned = plan_prune(self.pruning(), CHAIN)
        assert isinstance(planned, PrunePlan), planned
        return planned

    def garbage(self) -> list[str]:
        planned = self.plan()
        return [each.name for each in (*planned.data, *planned.control)]

    def alone(self) -> str:
        planned = plan_prune(self.pruning(), CHAIN)
        assert isinstance(planned, LeftAlone), planned
        return planned.why


def three_slots() -> PruneBench:
    """Slots 1 to 3, each with two packs, of which the next one needs the first."""
    bench = PruneBench().begun()
    for slot in (1, 2, 3):
        before = [pack(slot - 1)] if slot > 1 else []
        bench.back_up(slot, pack(slot), pack(slot, 1), *before)
    return bench


def let_go(bench: PruneBench, slot: int) -> None:
    bench.let_go(slot)
    bench.finish()


def names(*packs: PackId) -> list[str]:
    return [pack_name(CHAIN, each) for each in packs]


def drop(bench: PruneBench, slot: int, what: str = "commit") -> None:
    entry_ = Dropped(
        chain=CHAIN,
        slot=CommitSlot(slot),
        what="manifest" if what == "manifest" else "commit",
        session=None,
        why="said so",
    )
    bench.log().append(wanting(entry_))
