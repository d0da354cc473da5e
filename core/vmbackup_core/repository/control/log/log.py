"""The log: read to its end, and appended to by deciding anew; see section 30 of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.log.heads import Head, Heads
from vmbackup_core.repository.control.log.log_conditions import Refusal, refusal
from vmbackup_core.repository.control.log.log_entries import (
    ENTRIES_MOST,
    Claimed,
    Entry,
    LogObject,
    Place,
    StatePartRef,
)
from vmbackup_core.repository.control.log.log_parts import parts_of
from vmbackup_core.repository.control.log.log_reader import LogReader, Reading
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control, StoredBytes
from vmbackup_core.repository.primitives.identities import draw
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import log_name, state_name

#: Returns the entries that are wanted on what is known; called again where others were faster.
Decide = Callable[[LogState], Sequence[Entry]]


class ReadOnly(PermanentError):
    """Another appliance owns the repository (S31)."""

    def __init__(self, owner: str | None, appliance: str) -> None:
        super().__init__(
            f"the repository is owned by {owner}, not by {appliance}: it is read only here until "
            "it is claimed",
            reason="ReadOnly",
        )


@dataclass(frozen=True, slots=True)
class Author:
    """Who appends: for which appliance, and what people read of it (`cli`, or the appliance)."""

    appliance: str
    by: str


@dataclass(frozen=True, slots=True)
class Appended:
    """The state behind an append, what went in, and what was refused and why.

    Where nothing went in there was no append.
    """

    state: LogState
    entries: tuple[Entry, ...]
    refused: tuple[tuple[Entry, str], ...]


@dataclass
class Log:
    """A repository's log as one author reads and appends to it; from one thread at a time."""

    control: Control
    heads: Heads
    author: Author
    clock: Clock
    refuse: Refusal = refusal
    reader: LogReader = field(init=False)
    #: Commits whose pack lists were found to be wrong, as long as the log is open.
    wrong_lists: set[Place] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.reader = LogReader(self.control, self.heads, self.refuse)

    def read(self) -> Reading:
        """Return what the log says at its end; CorruptRepository never, NotUnderstood perhaps."""
        return self.reader.read()

    def append(self, decide: Decide) -> Appended:
        """Append what *decide* wants and what the conditions let pass, as one log object.

        Others may be faster: then their objects are read, and *decide* is asked again (S13).
        """
        while True:
            reading = self.read()
            after, entries, refused = self._sift(reading, decide(reading.state))
            if not entries:
                return Appended(reading.state, (), refused)
            self._check_author(reading.state, entries)
            made = self._made(reading, entries)
            if self.control.put(made):
                self.reader.accept(reading, Head(reading.number + 1, made.sha256), after)
                return Appended(after, entries, refused)

    def _sift(
        self, reading: Reading, wanted: Sequence[Entry]
    ) -> tuple[LogState, tuple[Entry, ...], tuple[tuple[Entry, str], ...]]:
        after = reading.state.copy()
        entries: list[Entry] = []
        refused: list[tuple[Entry, str]] = []
        for entry in wanted:
            why = self.refuse(after, entry)
            if why is not None:
                refused.append((entry, why))
                continue
            after.apply(entry, reading.number + 1)
            entries.append(entry)
        if len(entries) > ENTRIES_MOST:
            raise ValueError(f"{len(entries)} entries in one log object")
        return after, tuple(entries), tuple(refused)

    def check_owner(self, state: LogState) -> None:
        """Raise ReadOnly unless the last `claimed` names us; before each append and deletion."""
        if state.owner != self.author.appliance:
            raise ReadOnly(state.owner, self.author.appliance)

    def _check_author(self, state: LogState, entries: Sequence[Entry]) -> None:
        if not any(isinstance(entry, Claimed) for entry in entries):
            self.check_owner(state)

    def _made(self, reading: Reading, entries: tuple[Entry, ...]) -> StoredBytes:
        number, epoch = reading.number + 1, reading.state.newest_epoch
        state = None
        if number % self.reader.state_every == 0:
            state = self._put_state(reading.state, number)
        now = Time.of(self.clock.now())
        value = LogObject(number, reading.sha256, now, self.author.by, entries, state)
        return self.control.seal("LOGO", log_name(number), value, epoch)

    def _put_state(self, state: LogState, number: int) -> tuple[StatePartRef, ...]:
        """Put the parts under an id drawn for this try, so that two who append never meet."""
        drawn = draw()
        refs = []
        for part in parts_of(state, number):
            name = state_name(number, drawn, part.part)
            made = self.control.seal("STAT", name, part, state.newest_epoch)
            self.control.put(made)
            refs.append(StatePartRef(name, made.sha256))
        return tuple(refs)
