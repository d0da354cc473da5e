"""Refusals of Azure as errors, those that may end by themselves for a bounded time only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from azure.core.exceptions import AzureError

from vmbackup_core.clock import Clock
from vmbackup_core.errors import LostAttempt, PermanentError, RefusedForNow, TransientError

Kind = Literal["passing", "for a while", "lost attempt", "final"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Azure said, in our words: *kind* decides what comes of it, *reason* is one word."""

    kind: Kind
    reason: str
    text: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long refusals of a reason are retried, and how often."""

    lasts_s: float
    retry_after_s: float


#: A role assignment takes Azure up to ten minutes to know everywhere, by its own documents.
_OF_RIGHTS = Patience(900, 30)
_OF_ABSENCE = Patience(180, 5)
_OF_CONFLICTS = Patience(600, 10)

PATIENCE: Mapping[str, Patience] = {"NotAuthorized": _OF_RIGHTS, "NotFound": _OF_ABSENCE}


@dataclass(slots=True)
class _Lasting:
    """A refusal since it was first met; *met_at* is when it was met last."""

    since: datetime
    met_at: datetime


class Refusals:
    """Remembers since when each thing is refused for each reason.

    A refusal that was not met for as long as it would have been retried is another one, and what
    succeeds ends what was remembered. The memory ends with the process: of one that is restarted
    ever again, it is the times in an object's status that end what its reconciler waits for.
    """

    def __init__(self, clock: Clock, patience: Mapping[str, Patience] = PATIENCE) -> None:
        self._clock = clock
        self._patience = patience
        self._lasting: dict[tuple[str, str], _Lasting] = {}

    @contextmanager
    def translated(self, what: str, read: Callable[[AzureError], Refusal]) -> Iterator[None]:
        """Turn what an SDK raises inside into our errors; *what* names what was being done."""
        try:
            yield
        except AzureError as error:
            raise self.error(what, read(error)) from error
        self._forget(what)

    def error(self, what: str, refusal: Refusal) -> TransientError | PermanentError:
        """Return the error that *refusal* is, met at this moment."""
        text = f"{what}: {refusal.text}"
        match refusal.kind:
            case "passing":
                return TransientError(text, retry_after_s=refusal.retry_after_s)
            case "for a while":
                return self._for_a_while(what, refusal)
            case "lost attempt":
                return LostAttempt(text, reason=refusal.reason)
            case "final":
                return PermanentError(text, reason=refusal.reason)

    def _for_a_while(self, what: str, refusal: Refusal) -> TransientError | PermanentError:
        now = self._clock.now()
        patience = self._patience.get(refusal.reason, _OF_CONFLICTS)
        since = self._since(what, refusal.reason, patience, now)
        until = since + timedelta(seconds=patience.lasts_s)
        text = f"{what}: {refusal.text}"
        if now >= until:
            # Who asks again, in another attempt or another session, is not judged by this one.
            self._lasting.pop((what, refusal.reason), None)
            return PermanentError(f"{text} (refused since {_shown(since)})", reason=refusal.reason)
        return RefusedForNow(
            f"{text} (refused since {_shown(since)}, tried again until {_shown(until)})",
            reason=refusal.reason,
            retry_after_s=max(refusal.retry_after_s or 0, patience.retry_after_s),
        )

    def _since(self, what: str, reason: str, patience: Patience, now: datetime) -> datetime:
        self._drop_old(now)
        lasting = self._lasting.setdefault((what, reason), _Lasting(now, now))
        if now - lasting.met_at > timedelta(seconds=patience.lasts_s):
            lasting.since = now
        lasting.met_at = now
        return lasting.since

    def _forget(self, what: str) -> None:
        if self._lasting:
            for key in [key for key in self._lasting if key[0] == what]:
                del self._lasting[key]

    def _drop_old(self, now: datetime) -> None:
        longest = max(_OF_RIGHTS.lasts_s, *(each.lasts_s for each in self._patience.values()))
        before = now - timedelta(seconds=longest)
        for key, lasting in list(self._lasting.items()):
            if lasting.met_at < before:
                del self._lasting[key]


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
