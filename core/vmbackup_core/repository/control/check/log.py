"""The log from its first object to its end, with the states between; section 15 of the page.

What counts is read as every reader does, from the newest state that opens. Beside that each object
is looked at from number 1, so that damage is seen which a state has made up for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.check.observations import Fault, Observations
from vmbackup_core.repository.control.check.report import What
from vmbackup_core.repository.control.log.heads import Head, NoHeads
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import LogObject
from vmbackup_core.repository.control.log.log_parts import StatePart
from vmbackup_core.repository.control.log.log_reader import LogReader, Reading
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import StoredBytes
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.names import log_name
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored

#: No log has an object of such a number: reading begins at the first one.
_NEVER: Final = 2**62

#: A head that was written down wrongly may be 2^39 objects away.
_LOST_END_MOST: Final = 1000

_PREVIOUS: Final = "LogPreviousDiffers"
_PASSED_OVER: Final = "LogEntryPassedOver"


@dataclass
class _PatientReader(LogReader):
    """Passes over what is not understood or not readable now, too, and keeps which it was."""

    not_damaged: dict[int, What] = field(default_factory=dict)
    opened: int = 0

    @override
    def _find(self, number: int) -> StoredBytes | None:
        try:
            return super()._find(number)
        except UNREADABLE_NOW:
            self.not_damaged[number] = "unreadable"
            return None

    @override
    def _opened(self, number: int, found: StoredBytes) -> LogObject:
        try:
            said = super()._opened(number, found)
        except NotUnderstood as error:
            self.not_damaged[number] = "notUnderstood"
            raise CorruptRepository(str(error)) from error
        self.opened += 1
        return said

    @override
    def _from_state(self, number: int) -> Reading | None:
        try:
            return super()._from_state(number)
        except (NotUnderstood, *UNREADABLE_NOW):  # said of the part
            return None

    def said_at(self, number: int) -> LogObject | None:
        """Return the object of that number, where it opens."""
        found = self._find(number)
        try:
            return None if found is None else self._opened(number, found)
        except CorruptRepository:
            return None


@dataclass(frozen=True, slots=True)
class LogSeen:
    """What the log says, and whether any of its objects does not open, or has gone."""

    state: LogState
    is_damaged: bool


def check_log(log: Log, expect_head: Head | None, seen: Observations) -> LogSeen:
    """Look at every object of the log and at every state; *expect_head* was written down."""
    known = log.heads.known(log.control.ring.repository)
    heads = [head for head in {expect_head, known} if head is not None]
    reading = read_now(log)
    reader = _PatientReader(
        log.control,
        NoHeads(),
        log.refuse,
        state_every=_NEVER,
        side_by_side=log.reader.side_by_side,
    )
    whole = reader.read()
    is_damaged = _note(whole, reader, seen)
    _check_heads(log, heads, whole.number, seen)
    for number in reader.numbers(1, whole.number):
        if number % log.reader.state_every == 0:
            _check_state(log, reader, number, seen)
    is_rolled_back = any(fault.what == "rolledBack" for fault in seen.faults.values())
    return LogSeen(reading.state, is_damaged or is_rolled_back)


def read_now(log: Log) -> Reading:
    """Return what the log says at its end; what is not understood is passed over, as damage is."""
    reader = _PatientReader(log.control, NoHeads(), log.refuse)
    reader.state_every, reader.side_by_side = log.reader.state_every, log.reader.side_by_side
    return reader.read()


def _check_heads(log: Log, heads: Sequence[Head], end: int, seen: Observations) -> None:
    """Look whether the log has *heads*; what lies between its *end* and them has gone as well."""
    for head in heads:
        _check_head(log, head, end, seen)
    highest = max((head.number for head in heads), default=0)
    gone = set(range(end + 1, min(highest, end + 1 + _LOST_END_MOST)))
    for number in sorted(gone - {head.number for head in heads}):
        seen.say("control", log_name(number), "logDamaged", "is missing, and all behind it")


def _check_head(log: Log, head: Head, end: int, seen: Observations) -> None:
    name = log_name(head.number)
    with seen.noting("control", name):
        try:
            found = log.control.get("LOGO", name, head.sha256).sha256
        except NotStored:
            found = f"missing (the newest log object is number {end})"
        if found != head.sha256:
            what = f"its digest was {head.sha256} and is {found}: the repository was put back"
            seen.say("control", name, "rolledBack", what)


def _note(whole: Reading, reader: _PatientReader, seen: Observations) -> bool:
    """Note what is wrong with objects; entries that rest on a damaged one are not blamed."""
    is_damaged = False
    for finding in whole.findings:
        seen.on_look()
        if finding.trouble == _PREVIOUS:
            seen.say("control", log_name(finding.number - 1), "logDiffers", _differs(finding.what))
        elif finding.trouble == _PASSED_OVER:
            if not is_damaged:
                what = f"an entry is passed over: {finding.what}"
                seen.say("control", log_name(finding.number), "logDiffers", what)
        else:
            is_damaged = True
            what_it_is = reader.not_damaged.get(finding.number, "logDamaged")
            seen.say("control", log_name(finding.number), what_it_is, finding.what)
    return is_damaged


def _differs(what: str) -> str:
    return f"is not what the next object follows on: {what}"


def _check_state(log: Log, reader: _PatientReader, number: int, seen: Observations) -> None:
    """Open each part of the state that the log object *number* names."""
    said = reader.said_at(number)
    for index, ref in enumerate(() if said is None else said.state or ()):
        with seen.noting("control", ref.name):
            part = log.control.open_known("STAT", ref.name, ref.sha256, StatePart)
            if (part.number, part.part) != (number, index):
                raise CorruptRepository(f"is part {part.part} of the state of {part.number}")
    if said is not None and said.state is None:
        seen.fault(
            Fault(log_name(number), "control", "logDiffers", "repeats no state, as it should")
        )
