"""What the log says of its own beginning, of user keys and of epochs; sections 24 and 26."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.log.heads import Heads
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_entries import Claimed, Entry, Key, NewEpoch
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.beginning import BeginsLog
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.names import CHAINS
from vmbackup_core.repository.primitives.opening import OpenedKeys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_keys import AppendsToLog, EpochOvertaken


class ControlLost(PermanentError):
    """The log is gone, and what it spoke of is there: whoever went on would write over it."""

    def __init__(self) -> None:
        super().__init__(
            "the repository has lost its control place: data holds disks, and there is no log that "
            "says what of them counts. Bring control back from a copy, or have it made again",
            reason="ControlLost",
        )


def check_control(places: Places, number: int) -> None:
    """Raise ControlLost where the log ends at *number* 0 and data holds disks."""
    if number == 0 and next(iter(places.data.folders(CHAINS)), None) is not None:
        raise ControlLost


@dataclass(frozen=True, slots=True)
class LogBeginner(BeginsLog):
    """Makes the first object of the log; *by* is what people read of who did it."""

    places: Places
    heads: Heads
    clock: Clock
    by: str

    @override
    def begin_log(self, opened: OpenedKeys, appliance: str) -> None:
        author = Author(appliance, self.by)
        log = Log(Control(self.places.control, opened.ring), self.heads, author, self.clock)
        reading = log.read()
        check_control(self.places, reading.number)
        if reading.number and not _began(opened, appliance):
            return  # whoever it belongs to: their claim may be in an object that is damaged

        def decide(state: LogState) -> Sequence[Entry]:
            if state.owner is not None:
                return ()
            return (Claimed(appliance=appliance, from_=None), _added(opened.key, None))

        log.append(decide)


@dataclass(frozen=True, slots=True)
class KeyEntries(AppendsToLog):
    """Appends what changes of keys and epochs; said already is not said again."""

    log: Log

    @override
    def key_added(self, fingerprint: Fingerprint, label: str | None) -> None:
        def decide(state: LogState) -> Sequence[Entry]:
            known = state.keys.get(fingerprint)
            said = label if label is not None or known is None else known.label
            entry = _added(fingerprint, said)
            return () if known == entry else (entry,)

        self.log.append(decide)

    @override
    def key_removed(self, fingerprint: Fingerprint) -> None:
        def decide(state: LogState) -> Sequence[Entry]:
            known = state.keys.get(fingerprint)
            label = None if known is None else known.label
            entry = Key(action="removed", fingerprint=fingerprint, label=label)
            return () if known == entry else (entry,)

        self.log.append(decide)

    @override
    def epoch_begun(self, epoch: int, master_id: str) -> None:
        def decide(state: LogState) -> Sequence[Entry]:
            if epoch < state.newest_epoch:
                raise EpochOvertaken(state.newest_epoch)
            if epoch == state.newest_epoch:
                return ()
            ended = tuple(sorted(state.ended_epochs))
            return (NewEpoch(epoch=epoch, master_id=master_id, ended=ended),)

        self.log.append(decide)


def end_epoch(log: Log, epoch: int) -> None:
    """Have commits of sessions of *epoch* refused from now on; the newest one goes on."""

    def decide(state: LogState) -> Sequence[Entry]:
        known = state.epochs
        if known is None or epoch >= known.epoch or epoch in known.ended:
            return ()
        ended = tuple(sorted({*known.ended, epoch}))
        return (NewEpoch(epoch=known.epoch, master_id=known.master_id, ended=ended),)

    log.append(decide)


def _added(fingerprint: Fingerprint, label: str | None) -> Key:
    return Key(action="added", fingerprint=fingerprint, label=label)


def _began(opened: OpenedKeys, appliance: str) -> bool:
    """Tell whether *appliance* began the repository, as its oldest header says."""
    headers = opened.headers
    return bool(headers) and headers[min(headers)].appliance_id == appliance
