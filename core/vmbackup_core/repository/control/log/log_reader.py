"""Reads the log to its end: from a state or from what was read before, past what is damaged."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, Literal

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.log.heads import Head, Heads, HistoryRolledBack
from vmbackup_core.repository.control.log.log_conditions import Refusal
from vmbackup_core.repository.control.log.log_entries import Claimed, LogObject, decode_log_object
from vmbackup_core.repository.control.log.log_parts import StatePart, state_from
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control, StoredBytes
from vmbackup_core.repository.primitives.names import LOG, log_name
from vmbackup_core.repository.primitives.parsed_names import LogName, parse_control
from vmbackup_core.stores.port import NotStored

#: A log object of such a number repeats the state.
STATE_EVERY: Final = 1000
SIDE_BY_SIDE: Final = 32

#: So many numbers are tried one by one; of more a listing tells which there are. Whoever puts an
#: object of a high number there would else have every reader try 2^39 of them.
_TRIED_MOST: Final = 1000

LogTrouble = Literal["LogDamaged", "LogPreviousDiffers", "LogEntryPassedOver", "LogStateDamaged"]


@dataclass(frozen=True, slots=True)
class LogFinding:
    """What is wrong with a log object; all else of the log is read on."""

    number: int
    trouble: LogTrouble
    what: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The log to its end: the state, and number and digest of the newest object (0 and None).

    *lost_head* is the remembered head that the log does not have, where it was rolled back.
    *findings* are those of the objects that this reading has looked at.
    """

    state: LogState
    number: int
    sha256: str | None
    findings: tuple[LogFinding, ...] = ()
    lost_head: Head | None = None

    @property
    def head(self) -> Head | None:
        """Number and digest of the newest object that opens by its name; None without one."""
        return None if self.sha256 is None else Head(self.number, self.sha256)

    def check_history(self) -> None:
        """Raise HistoryRolledBack; whoever is about to delete asks it (S22)."""
        if self.lost_head is not None:
            raise HistoryRolledBack(self.lost_head)


@dataclass
class LogReader:
    """Reads one repository's log again and again, from one thread at a time."""

    control: Control
    heads: Heads
    refuse: Refusal
    state_every: int = STATE_EVERY
    side_by_side: int = SIDE_BY_SIDE
    _known: Reading | None = field(default=None, init=False)
    _findings: list[LogFinding] = field(default_factory=list, init=False)
    _looked: dict[int, StoredBytes | None] = field(default_factory=dict, init=False)

    def read(self) -> Reading:
        """Return what the log says at its end."""
        self._findings, self._looked = [], {}
        lost = self._lost_head()
        reading = self._start()
        while (newest := self._newest()) > reading.number:
            reading = self._forward(reading, newest)
        self._known = reading
        if lost is None and reading.sha256 is not None:
            self._remember(Head(reading.number, reading.sha256))
        findings = tuple(self._findings)
        return Reading(reading.state, reading.number, reading.sha256, findings, lost)

    def accept(self, before: Reading, head: Head, state: LogState) -> None:
        """Go on from *head*, which was appended just now behind *before* and gives *state*."""
        self._known = Reading(state, head.number, head.sha256)
        if before.lost_head is None:
            self._remember(head)

    def has(self, head: Head) -> bool:
        """Tell whether the log has this object."""
        found = self._find(head.number)
        return found is not None and found.sha256 == head.sha256

    def accept_history(self) -> Reading:
        """Remember the head as it is now, whatever was remembered: a person has said so."""
        reading = self.read()
        if reading.sha256 is not None:
            self._remember(Head(reading.number, reading.sha256))
        return self.read()

    def _remember(self, head: Head) -> None:
        if self.heads.known(self.control.ring.repository) != head:
            self.heads.remember(self.control.ring.repository, head)

    def _lost_head(self) -> Head | None:
        known = self.heads.known(self.control.ring.repository)
        return known if known is not None and not self._has(known) else None

    def _has(self, head: Head) -> bool:
        if head.number not in self._looked:  # the same object twice in a reading, mostly
            self._looked[head.number] = self._find(head.number)
        found = self._looked[head.number]
        return found is not None and found.sha256 == head.sha256

    def _newest(self) -> int:
        """Return the number of the newest log object: the first one that a listing shows."""
        found = self.control.first(LOG, LogName)
        return 0 if found is None else found.number

    def _find(self, number: int) -> StoredBytes | None:
        try:
            return self.control.get("LOGO", log_name(number))
        except NotStored:
            return None

    def _start(self) -> Reading:
        """Return what was read before, where the log still has it; else the newest state."""
        known = self._known
        if known is not None and known.sha256 is not None:
            if self._has(Head(known.number, known.sha256)):
                return known
            self._known = None
        for number in self._states(self._newest()):
            reading = self._from_state(number)
            if reading is not None:
                return reading
        return Reading(LogState(), 0, None)

    def _states(self, newest: int) -> Iterator[int]:
        """Yield the numbers of the objects that repeat the state, the newest first.

        The newest mostly opens; which others there are is asked only where it does not.
        """
        highest = newest - newest % self.state_every
        if not highest:
            return
        yield highest
        for number in reversed(self.numbers(1, highest - 1)):
            if number % self.state_every == 0:
                yield number

    def numbers(self, first: int, last: int) -> array[int]:
        """Return the numbers of the objects that are listed from *first* to *last*, in order."""
        named = (parse_control(name) for name in self.control.names(LOG))
        numbers = (each.number for each in named if isinstance(each, LogName))
        listed = takewhile(lambda number: number >= first, numbers)  # newest first
        found = array("Q", (number for number in listed if number <= last))
        found.reverse()
        return found

    def _from_state(self, number: int) -> Reading | None:
        """Return the log up to before object *number* as its state has it, where that opens."""
        try:
            found = self._find(number)
            said = None if found is None else self._opened(number, found)
            if said is None or said.state is None:
                return None
            parts = [
                self.control.open_known("STAT", ref.name, ref.sha256, StatePart)
                for ref in said.state
            ]
            state = state_from(log_name(number), parts, number)
        except (CorruptRepository, NotStored) as error:
            self._findings.append(LogFinding(number, "LogStateDamaged", str(error)))
            return None
        return Reading(state, number - 1, said.previous)

    def _forward(self, reading: Reading, newest: int) -> Reading:
        state, previous = reading.state.copy(), reading.sha256
        expected = reading.number + 1
        for number, found in self._objects(expected, newest):
            if number > expected:
                self._say_missing(expected, number - 1)
                previous = None
            self._take_in(state, number, found, previous)
            previous = None if found is None else found.sha256
            expected = number + 1
        if expected <= newest:
            self._say_missing(expected, newest)
            previous = None
        return Reading(state, newest, previous)

    def _say_missing(self, first: int, last: int) -> None:
        """Note that none of these objects is listed: each by itself, or a long gap once."""
        if last - first < _TRIED_MOST:
            for number in range(first, last + 1):
                self._findings.append(LogFinding(number, "LogDamaged", "it is missing"))
            return
        what = f"it is missing, and all others up to number {last}"
        self._findings.append(LogFinding(first, "LogDamaged", what))

    def _objects(self, first: int, last: int) -> Iterator[tuple[int, StoredBytes | None]]:
        """Yield the objects in order; several are read side by side."""
        if last - first < _TRIED_MOST:
            numbers: Sequence[int] = range(first, last + 1)
        else:
            numbers = self.numbers(first, last)
        if len(numbers) <= 2 or self.side_by_side == 1:  # noqa: PLR2004 - not worth a thread
            yield from ((number, self._find(number)) for number in numbers)
            return
        with ThreadPoolExecutor(self.side_by_side) as pool:
            for begin in range(0, len(numbers), self.side_by_side):
                some = numbers[begin : begin + self.side_by_side]
                yield from zip(some, pool.map(self._find, some), strict=True)

    def _take_in(
        self, state: LogState, number: int, found: StoredBytes | None, previous: str | None
    ) -> None:
        if found is None:
            self._findings.append(LogFinding(number, "LogDamaged", "it is missing"))
            return
        try:
            said = self._opened(number, found)
        except CorruptRepository as error:
            self._findings.append(LogFinding(number, "LogDamaged", str(error)))
            return
        if previous is not None and said.previous != previous:
            what = f"the object before has {previous}, it says {said.previous}"
            self._findings.append(LogFinding(number, "LogPreviousDiffers", what))
        for entry in said.entries:
            why = self.refuse(state, entry)
            if why is not None:
                self._findings.append(LogFinding(number, "LogEntryPassedOver", why))
            if why is None or isinstance(entry, Claimed):  # the last one there is the owner
                state.apply(entry, number)

    def _opened(self, number: int, found: StoredBytes) -> LogObject:
        said = decode_log_object(found.name, self.control.payload("LOGO", found))
        if said.number != number:
            raise CorruptRepository(f"{found.name}: says that its number is {said.number}")
        return said
