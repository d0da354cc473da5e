"""Prune without its safeguards: what its tests have it believe, and how its stores look to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from typing_extensions import override

from tests.unit.repository.control.newer_version import PassesOverNewer
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.commits.pack_list import ListEntry
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Dropped, Proven
from vmbackup_core.repository.control.log.log_reader import Reading
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotStored, Store, StoredObject


class OtherState(Log):
    """Shows the state of the log as `change` leaves it: believed without what would make it so."""

    def change(self, state: LogState) -> None:
        """Have *state* say more than the log does."""
        raise NotImplementedError

    @override
    def read(self) -> Reading:
        found = super().read()
        state = found.state.copy()
        self.change(state)
        return Reading(state, found.number, found.sha256, found.findings, found.lost_head)


class GoesOnWithout(StoredManifests):
    """Has a manifest that went meanwhile need nothing (S5 removed)."""

    @override
    def check(self, name: str, sha256: str | None) -> None:
        try:
            super().check(name, sha256)
        except NotStored:
            return

    @override
    def recount(self, name: str, sha256: str | None) -> Iterable[ListEntry]:
        try:
            return super().recount(name, sha256)
        except NotStored:
            return []


class Disturbed(MemoryStore):
    """The same objects as *inner*; does *then* once, before it lists what begins with *prefix*."""

    def __init__(self, inner: Store, prefix: str, then: Callable[[], object]) -> None:
        self.__dict__.update(inner.__dict__)
        self._prefix = prefix
        self._then: Callable[[], object] | None = then

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        then = self._then
        if then is not None and prefix.startswith(self._prefix):
            self._then = None
            then()
        return super().list(prefix, limit=limit)


class ListedBefore(MemoryStore):
    """The same objects as *inner*, listed as they were once where names begin with *prefix*."""

    def __init__(self, inner: Store, prefix: str) -> None:
        self.__dict__.update(inner.__dict__)
        self._prefix = prefix
        self._before = list(inner.list(prefix))

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        if prefix.startswith(self._prefix):
            found = [each for each in self._before if each.name.startswith(prefix)]
            return iter(found[:limit])
        return super().list(prefix, limit=limit)


class NextTaken(OtherState):
    """Takes the slot that comes next for taken, and its commit for dropped (S4 removed)."""

    @override
    def change(self, state: LogState) -> None:
        for chain, slot in list(state.highest_slots.items()):
            state.apply(dropped(chain, slot + 1))


class DropsAll(OtherState):
    """Waits for nothing that does not open, or is lost (S8 removed)."""

    @override
    def change(self, state: LogState) -> None:
        for chain, slot in list(state.highest_slots.items()):
            for each in range(1, slot + 1):
                state.apply(dropped(chain, each))


class ProvesAll(OtherState):
    """Believes every pack list (S29 removed)."""

    @override
    def change(self, state: LogState) -> None:
        for chain, slot in list(state.highest_slots.items()):
            for each in range(1, slot + 1):
                proven = Proven(
                    chain=chain, slot=CommitSlot(each), what="list", up_to=None, amount=0
                )
                state.apply(proven)


class DropsHealings(OtherState):
    """Waits for no repair that is under way (S32 removed)."""

    @override
    def change(self, state: LogState) -> None:
        for chain, session in state.healed:
            entry = Dropped(chain=chain, slot=None, what="healing", session=session, why="x")
            state.apply(entry)


def dropped(chain: ChainId, slot: int) -> Dropped:
    return Dropped(chain=chain, slot=CommitSlot(slot), what="commit", session=None, why="x")


LOGS: dict[str, type[Log]] = {
    "S4": NextTaken,
    "S8": DropsAll,
    "S21": PassesOverNewer,
    "S29": ProvesAll,
    "S32": DropsHealings,
}
