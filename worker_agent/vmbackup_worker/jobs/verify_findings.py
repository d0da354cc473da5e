"""What a verify job has found, by several threads, within the bounds of one result."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.protocol import Lost, LostIndex, LostPack, VerifyResult
from vmbackup_core.protocol.limits import TOLD_OFFSETS
from vmbackup_core.repository.data.read_back import PackReadBack
from vmbackup_core.repository.data.sample_back import Sampled
from vmbackup_core.repository.data.sections_back import SectionsTold, is_missing
from vmbackup_core.repository.data.verify_told import (
    OFFSETS_MOST,
    TOLD_MOST,
)
from vmbackup_core.repository.data.window_reader import Lost as LostSection
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import IndexId, PackId

#: Of what one result tells so much is sections and blocks at most: packs find their place too.
SECTIONS_MOST = TOLD_MOST // 2


@dataclass
class Findings(SectionsTold):
    """Everything that a result will tell."""

    objects: dict[tuple[IndexId, int], Lost] = field(default_factory=dict)
    blocks: set[int] = field(default_factory=set)
    lost: dict[int, LostPack] = field(default_factory=dict)
    records: int = 0
    read_bytes: int = 0
    _begun: int = 0
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    @override
    def is_full(self) -> bool:
        return len(self.objects) + len(self.blocks) >= SECTIONS_MOST

    @property
    def packs_are_full(self) -> bool:
        """Whether no more packs find their place in the result."""
        with self._lock:
            offsets = sum(len(each.offsets) for each in self.lost.values())
            return len(self.lost) >= TOLD_MOST - SECTIONS_MOST or offsets >= TOLD_OFFSETS

    @override
    def section(self, index: IndexId, offset: int, error: LostSection) -> None:
        with self._lock:
            self.objects[index, offset] = _what(error)

    @override
    def block(self, number: int, error: LostSection) -> None:
        if _what(error) == "damaged":  # what cannot be read now is told of its pack
            with self._lock:
                self.blocks.add(number)

    def begin_pack(self) -> None:
        """Count a pack that will be looked at."""
        self._begun += 1

    def stop(self) -> None:
        """Say that packs are left that nobody looks at."""
        self._stopped = True

    def pack(self, number: int, back: PackReadBack) -> None:
        """Take in what reading back the job's pack of this number has shown."""
        with self._lock:
            self.records += back.records
            self.read_bytes += back.read_bytes
            if back.lost is not None:
                packed, offsets = back.pack.packed().hex(), list(back.offsets[:OFFSETS_MOST])
                self.lost[number] = LostPack(packed, back.lost, offsets)

    def unread(self, number: int, pack: PackId, what: Lost) -> None:
        """Take in that the job's pack of this number cannot be read, or not understood."""
        with self._lock:
            self.lost[number] = LostPack(pack.packed().hex(), what, [])

    def result(self, sampled: Sampled, seconds: float) -> VerifyResult:
        """Return what fits; the packs behind the first that does not were not looked at."""
        lost, looked_at = self._fitting()
        objects = sorted(self.objects.items())[:SECTIONS_MOST]
        blocks = sorted(self.blocks)[: SECTIONS_MOST - len(objects)]
        is_cut = len(objects) + len(blocks) < len(self.objects) + len(self.blocks)
        return VerifyResult(
            packs=looked_at,
            records=self.records,
            read_bytes=self.read_bytes,
            lost=lost,
            objects=[
                LostIndex(index.packed().hex(), offset, what) for (index, offset), what in objects
            ],
            blocks=blocks,
            sampled=sampled.compared,
            differing=list(sampled.differing[:TOLD_MOST]),
            stopped=self._stopped or is_cut or self.is_full or looked_at < self._begun,
            seconds=seconds,
        )

    def _fitting(self) -> tuple[list[LostPack], int]:
        lost: list[LostPack] = []
        offsets = 0
        for number in sorted(self.lost):
            each = self.lost[number]
            offsets += len(each.offsets)
            if len(lost) == TOLD_MOST - SECTIONS_MOST or offsets > TOLD_OFFSETS:
                return lost, number
            lost.append(each)
        return lost, self._begun


def _what(error: LostSection) -> Lost:
    if isinstance(error, NotUnderstood):
        return "notUnderstood"
    if isinstance(error, CorruptRepository):
        return "missing" if is_missing(error) else "damaged"
    return "unreadable"
