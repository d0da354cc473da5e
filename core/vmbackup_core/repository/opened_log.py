"""The log of an opened repository and the keys that open it, for one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vmbackup_core.clock import Clock
from vmbackup_core.repository.control.log.heads import Heads
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_reader import SIDE_BY_SIDE, LogFinding, Reading
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.failures import KeyRingIncomplete
from vmbackup_core.repository.primitives.opening import OpenedKeys, open_keys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey

#: What people read of who acted where a person did.
BY_A_PERSON = "cli"


@dataclass(frozen=True, slots=True)
class Using:
    """Who works with a repository.

    Without *author* it is a person at the command line, who acts for whoever owns the repository
    as it is opened; opening then writes nothing. *readers* is how many objects of the log are read
    side by side.
    """

    author: Author | None
    clock: Clock
    heads: Heads
    readers: int = SIDE_BY_SIDE


class OpenedLog:
    """Gives the log out, opened with all epochs that there are by then."""

    keys: OpenedKeys
    log: Log

    def __init__(self, places: Places, key: UserKey, using: Using) -> None:
        self.places = places
        self.key = key
        self.findings: dict[LogFinding, None] = {}  # in order, each once
        self._using = using
        self._lock = threading.RLock()
        self.open()

    def open(self) -> None:
        """Open all epochs with the user key, and the log with them."""
        with self._lock:
            self.keys = open_keys(self.places, self.key)
            control = Control(self.places.control, self.keys.ring)
            using = self._using
            author = using.author or Author("", BY_A_PERSON)
            self.log = Log(control, using.heads, author, using.clock)
            self.log.reader.side_by_side = using.readers
            if using.author is None:
                self.act_for(self._read().state.owner or "")

    def another_log(self) -> Log:
        """Return the log for one thread that is long at work and appends nothing."""
        with self.of_anybody() as log:
            return Log(log.control, log.heads, log.author, log.clock)

    def act_for(self, appliance: str) -> None:
        """Have a person act for *appliance*; an appliance always acts for itself."""
        if self._using.author is None:
            self.log.author = Author(appliance, BY_A_PERSON)

    @contextmanager
    def of_anybody(self) -> Iterator[Log]:
        """Give the log, also where the repository is another's: then it is only read."""
        with self._lock:
            if self._read_by_our_keys() is None:
                self.open()
            yield self.log

    @contextmanager
    def of_owner(self) -> Iterator[Log]:
        """Give the log where the repository is ours, before anything is written; or ReadOnly."""
        with self._lock:
            self.log.check_owner(self.reading().state)
            yield self.log

    def reading(self) -> Reading:
        """Return what the log says at its end."""
        with self._lock:
            reading = self._read_by_our_keys()
            if reading is None:
                self.open()
                reading = self._read()
            return reading

    def _read_by_our_keys(self) -> Reading | None:
        """Return what the log says; None where an epoch was begun since the keys were opened."""
        epochs = self.keys.ring.epochs
        try:
            reading = self._read()
        except KeyRingIncomplete as error:
            if error.epoch in epochs:
                raise
            return None
        return reading if reading.state.newest_epoch in epochs else None

    def _read(self) -> Reading:
        reading = self.log.read()
        self.findings.update(dict.fromkeys(reading.findings))
        return reading
