"""What is believed of a worker's answer: nothing bad before the operator has read it (S27).

Who says of anything that it is lost, and it is not, is believed in nothing else; after a few such
words no more is read for him.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Bad, Entry, Proof, Proven
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.verify import verify_cursor
from vmbackup_core.repository.control.verify.own_looks import OwnLooks
from vmbackup_core.repository.control.verify.verify_plan import so_far
from vmbackup_core.repository.control.verify.verify_work import (
    Judged,
    ListedLost,
    Stage,
    VerifyWork,
)
from vmbackup_core.repository.data.verify_told import (
    OFFSETS_MOST,
    TOLD_MOST,
    ToldIndex,
    ToldPack,
    VerifyTold,
)
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import HEALING_SLOT, PackId
from vmbackup_core.repository.primitives.names import index_name, pack_name
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, ObjectUnreadable, Store

#: So many words that were not so, and no more is read of what a worker says.
REFUTED_MOST: Final = 8
#: So many objects that cannot be read now are looked at.
_LOOKS_AT_UNREADABLE: Final = 3
#: Lines for people.
SAYS_MOST: Final = 20

_PROOFS: Final[dict[Stage, Proof]] = {"new": "packs", "rota": "rota", "sample": "sample"}
_CANNOT = (NotUnderstood, ObjectUnreadable)


def judge(log: Log, data: Store, work: VerifyWork, told: VerifyTold | None) -> Judged:
    """Log what is believed of *told*, the answer to *work*; None where nobody was asked."""
    judging = _Judging(log, data, work, log.read().state)
    judging.look(told or VerifyTold(0))
    return judging.judged(told or VerifyTold(0))


@dataclass
class _Judging:
    """One answer."""

    log: Log
    data: Store
    work: VerifyWork
    state: LogState
    bad: list[Bad] = field(default_factory=list)
    refuted: int = 0
    unreadable: int = 0
    is_in_doubt: bool = False
    says: list[str] = field(default_factory=list)
    _lost: set[PackId] = field(default_factory=set)
    _found: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._looks = OwnLooks(self.log, self.data, self.work.chain, self.state)
        self._sizes = {pack: size for run in self.work.packs for pack, size in run.packs()}
        self._runs = {pack: run for run in self.work.packs for pack, _ in run.packs()}

    def look(self, told: VerifyTold) -> None:
        """Look at all that is said to be lost, or until too much of it is not so."""
        self.says += self.work.says
        for each in self.work.listed:
            self._look_at_listed(each)
        if self._is_impossible(told):
            return
        looks: list[Callable[[], None]] = [
            *(lambda each=each: self._look_at_pack(each) for each in told.lost[:TOLD_MOST]),
            *(lambda each=each: self._look_at_index(each) for each in told.objects[:TOLD_MOST]),
            *(lambda each=each: self._look_at_block(each) for each in told.blocks[:TOLD_MOST]),
        ]
        for look in looks:
            if self.refuted >= REFUTED_MOST:
                self._say("no more is read of what this worker says")
                return
            look()

    def judged(self, told: VerifyTold) -> Judged:
        """Append what is believed, and return what came of it."""
        differing = 0 if self.refuted else len(told.differing)
        if differing:
            numbers = ", ".join(str(each) for each in told.differing[:SAYS_MOST])
            chain, slot = self.work.place
            where = f"blocks {numbers} of chain {chain}, slot {slot},"
            self._say(f"{where} are not what the snapshot has")
        proven = self._whole(told)
        is_accepted = self._is_accepted(told)
        appended = self.log.append(lambda state: self._entries(state, told, proven))
        known = [each for each in appended.entries if isinstance(each, Proven)]
        return Judged(
            cursor=verify_cursor.after(self.work, is_accepted=is_accepted),
            proven=len(proven) if known else 0,
            proven_bytes=sum(self._sizes[pack] for pack in proven) if known else 0,
            bad=len(self._found),
            refuted=self.refuted,
            unreadable=self.unreadable,
            archived=self.work.archived if known else 0,
            sampled=0 if self.refuted else told.sampled,
            differing=differing,
            says=tuple(self.says[:SAYS_MOST]),
        )

    def _is_impossible(self, told: VerifyTold) -> bool:
        """Tell whether the answer says what no honest worker could of this work."""
        sample = self.work.sample
        asked = 0 if sample is None else len(sample.blocks) + len(sample.used)
        most = len(self._sizes)
        wrong = (
            told.looked_at > most
            or (told.looked_at < most and not told.stopped)
            or told.sampled > asked
            or len(told.differing) > told.sampled
            or (bool(told.blocks) and not self.work.sections)
            or not self._can_be(told)
        )
        if wrong:
            self._refute("the answer is none to what was asked")
        return wrong

    def _can_be(self, told: VerifyTold) -> bool:
        """Tell whether all that is said to be lost has a name that an object may have."""
        try:
            for pack in told.lost:
                _name(self.work, pack.pack)
            for index in told.objects:
                index_name(self.work.chain, index.index)
        except ValueError:
            return False
        return True

    def _look_at_listed(self, each: ListedLost) -> None:
        name = _name(self.work, each.pack)
        found = self._looked(lambda: self._looks.size(each.pack, each.size_bytes), name)
        if isinstance(found, str):
            self.unreadable += 1
        elif found is not None and self._is_needed(each.pack, each.needed_by):
            self._take(found)

    def _look_at_pack(self, each: ToldPack) -> None:
        size = self._sizes.get(each.pack)
        if size is None or each.pack in self._lost:
            self._refute(f"pack {_name(self.work, each.pack)} was not asked for, or is told twice")
            return
        self._lost.add(each.pack)
        if each.what in {"unreadable", "notUnderstood"}:
            self._leave(each)
            return
        name = _name(self.work, each.pack)
        offsets = each.offsets if each.what == "damaged" else ()
        found = self._looked(
            lambda: self._looks.pack(each.pack, size, offsets[:OFFSETS_MOST], OFFSETS_MOST), name
        )
        if isinstance(found, Bad) and found.what == "missing":
            if self._is_needed(each.pack, self._runs[each.pack].needed_by):
                self._take(found)
            return
        self._take_or_refute(found, name)

    def _look_at_index(self, each: ToldIndex) -> None:
        name = f"{index_name(self.work.chain, each.index)}#{each.offset:08x}"
        if each.what in {"unreadable", "notUnderstood"}:
            self.unreadable += 1
            self._say(f"{name}: {_WORDS[each.what]}")
            return
        at = self.work.at
        found = self._looked(lambda: self._looks.index(each.index, each.offset, at), name)
        self._take_or_refute(found, name)

    def _look_at_block(self, number: int) -> None:
        at, name = self.work.at, f"block {number} of chain {self.work.chain}"
        if at is None:
            return
        self._take_or_refute(self._looked(lambda: self._looks.block(number, at), name), name)

    def _looked(self, look: Callable[[], Bad | None], name: str) -> Bad | str | None:
        """Return what a look gives; a text where it cannot be looked at here and now."""
        try:
            return look()
        except (*_CANNOT, CorruptRepository) as error:
            self._say(f"{name}: cannot be looked at: {error}")
            return str(error)

    def _take_or_refute(self, found: Bad | str | None, name: str) -> None:
        if found is None:
            self._refute(f"{name} is said to be lost, and is not")
        elif isinstance(found, str):
            self.unreadable += 1
        else:
            self._take(found)

    def _take(self, found: Bad) -> None:
        self._found.add((found.object, found.id))
        pack = PackId.parse(bytes.fromhex(found.id))
        if found.object == "pack" and pack.slot == HEALING_SLOT:  # no entry: nothing names it
            self._say(f"{_name(self.work, pack)}: is {found.what}: it is to be healed once more")
            return
        self.bad.append(found)
        parts = "" if found.parts is None else f" at {', '.join(map(str, found.parts[:8]))}"
        self._say(f"{found.object} {found.id} of chain {found.chain} is {found.what}{parts}")

    def _leave(self, each: ToldPack) -> None:
        """Say what cannot be read now; what can be read here is to be read by a worker again."""
        self.unreadable += 1
        name = _name(self.work, each.pack)
        self._say(f"{name}: {_WORDS[each.what]}")
        if each.what == "unreadable" and self.unreadable <= _LOOKS_AT_UNREADABLE:
            self.is_in_doubt |= self._is_readable(name)

    def _is_readable(self, name: str) -> bool:
        try:
            self.data.get_range(name, 0, 1)
        except (*UNREADABLE_NOW, NotStored):
            return False
        return True

    def _is_needed(self, pack: PackId, slot: CommitSlot) -> bool:
        return pack.slot == HEALING_SLOT or self._looks.is_needed(slot, self.work.at)

    def _refute(self, why: str) -> None:
        self.refuted += 1
        self._say(why)

    def _say(self, line: str) -> None:
        if len(self.says) < SAYS_MOST:
            self.says.append(line)

    def _is_accepted(self, told: VerifyTold) -> bool:
        """Tell whether the chain is read as far as the answer says."""
        is_further = bool(told.looked_at) or not told.stopped or not self._sizes
        return not self.refuted and not self.is_in_doubt and is_further

    def _whole(self, told: VerifyTold) -> Sequence[PackId]:
        """Return the packs that were looked at and are whole."""
        read = list(self._sizes)[: told.looked_at]
        return [pack for pack in read if pack not in self._lost]

    def _entries(
        self, state: LogState, told: VerifyTold, proven: Sequence[PackId]
    ) -> Sequence[Entry]:
        """Return what is appended; how far the chain was read only where nobody else read on."""
        entry = self._proven(told, proven)
        what = _PROOFS[self.work.stage]
        is_same = so_far(state, self.work.chain, what) == self.work.so_far
        if entry is None or (not is_same and self.work.stage != "sample"):
            return tuple(self.bad)
        return (*self.bad, entry)

    def _proven(self, told: VerifyTold, proven: Sequence[PackId]) -> Proven | None:
        if not self._is_accepted(told):
            return None
        amount, up_to = len(proven), self.work.up_to.up_to
        if self.work.stage == "sample":
            amount, up_to = told.sampled, None
            if told.differing or told.stopped or not told.sampled:
                return None
        elif told.stopped and self._sizes:
            up_to = list(self._sizes)[told.looked_at - 1].packed().hex()
        return Proven(
            chain=self.work.chain,
            slot=self.work.place[1],
            what=_PROOFS[self.work.stage],
            up_to=up_to,
            amount=amount,
        )


_WORDS = {"unreadable": "cannot be read now", "notUnderstood": "is not understood"}


def _name(work: VerifyWork, pack: PackId) -> str:
    return pack_name(work.chain, pack)
