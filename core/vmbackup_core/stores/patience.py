"""Asking again while a failure may pass."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from vmbackup_core.errors import TransientError

T = TypeVar("T")


class Pause(Protocol):
    """Waits between two attempts."""

    def __call__(self, seconds: float, /) -> None:
        """Return after *seconds*."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is asked for before the failure is the caller's, and how patiently."""

    attempts: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 20.0
    pause: Pause = time.sleep

    def ask(self, question: Callable[[int], T]) -> T:
        """Return the answer to *question*, which gets the number of the attempt, from 0."""
        attempt = 0
        while True:
            try:
                return question(attempt)
            except TransientError as error:  # noqa: PERF203 - asking again is what the loop is for
                attempt += 1
                if attempt >= self.attempts:
                    raise
                self.pause(self._wait_s(attempt, error.retry_after_s))

    def _wait_s(self, attempt: int, asked_for_s: float | None) -> float:
        """Return the pause before *attempt*: at least as long as the other side asked for."""
        ceiling = min(self.first_wait_s * 2**attempt, self.longest_wait_s)
        # Full jitter: those who were throttled together shall not come back together.
        return max(random.uniform(0, ceiling), asked_for_s or 0.0)  # noqa: S311 - no secret
