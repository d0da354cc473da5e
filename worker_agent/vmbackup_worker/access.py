"""Credentials that may be renewed while they are in use."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

from vmbackup_core.errors import VmbackupError

T = TypeVar("T")

#: How quickly a waiting transfer notices that it shall stop.
_SLICE_S = 0.2


class Stopped(VmbackupError):
    """The work was told to stop; nothing is wrong with it."""


class AccessRefused(VmbackupError):
    """A credential was refused and no fresh one came in time; the same job with one goes on."""


class Renewable(Generic[T]):
    """A value that a fresh one takes the place of; users ask for it before each use."""

    def __init__(self, value: T) -> None:
        self._changed = threading.Condition()
        self._generation = 0
        self._value = value

    def current(self) -> tuple[int, T]:
        """Return the value and its generation, which `wait_for_newer` wants."""
        with self._changed:
            return self._generation, self._value

    def renew(self, value: T) -> None:
        """Put *value* in place; one that is equal changes nothing."""
        with self._changed:
            if value != self._value:
                self._generation, self._value = self._generation + 1, value
                self._changed.notify_all()

    def wait_for_newer(self, generation: int, within_s: float, stop: threading.Event) -> bool:
        """Tell whether the value is newer than *generation*, waiting for it at most *within_s*."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while self._generation <= generation:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if stop.is_set():
                    raise Stopped("told to stop while waiting for fresh credentials")
                self._changed.wait(min(left, _SLICE_S))
            return True
