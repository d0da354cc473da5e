"""Passes over a region, shared: one at a time, and what it saw serves everybody for a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vmbackup_core.clock import Clock
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.environment import Report
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting

#: So long what was seen ready is believed: somebody may have deleted it.
SHARED_S = 60.0

#: So long a failure, which is final for who asks: somebody may have repaired it since, and the next
#: session must not fail for what is no longer so. Those that ask together still share it.
FAILED_S = 2.0

#: Azure's wish for patience is obeyed, within reason.
_LONGEST_WAIT_S = 3600.0

#: Looks at a region whose repositories' accounts are given, and says how it stands.
Look = Callable[[Sequence[ArmId]], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a pass saw, of which accounts, for which wish, and until when that is believed."""

    report: Report
    accounts: frozenset[str]
    wish: object
    until_s: float
    began_at: datetime


@dataclass(slots=True)
class _Region:
    """One region's last pass, and the one that is under way."""

    seen: _Seen | None = None
    running: asyncio.Task[_Seen] | None = None
    accounts: dict[str, ArmId] = field(default_factory=dict)


class Passes:
    """The passes over every region."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._regions: dict[str, _Region] = {}

    def recent(
        self, key: str, accounts: Collection[ArmId], wish: object | None = None
    ) -> Report | None:
        """Return what a pass saw lately, where it looked at all of *accounts*; None to look anew.

        With *wish*, what was seen for another one counts as old.
        """
        seen = self._region(key).seen
        if seen is None or self._clock.monotonic_s() >= seen.until_s:
            return None
        other_wish = wish is not None and seen.wish != wish
        return None if other_wish or not _ids(accounts) <= seen.accounts else seen.report

    def forget(self, key: str, before: datetime) -> bool:
        """Drop what was seen by a pass that began before then; tell whether there was one."""
        region = self._region(key)
        if region.seen is None or region.seen.began_at >= before:
            return False
        region.seen = None
        return True

    async def share(
        self, key: str, accounts: Collection[ArmId], wish: object, look: Look
    ) -> Report:
        """Return a pass over the region that looks at *accounts* among others.

        A recent one is it, else the one that is under way, else a new one. Whoever stops waiting
        does not stop the others.
        """
        region = self._region(key)
        while True:
            recent = self.recent(key, accounts, wish)
            if recent is not None:
                return recent
            region.accounts |= {folded(account): account for account in accounts}
            running = region.running
            if running is None:
                running = asyncio.create_task(self._pass(region, wish, look))
                region.running = running
            seen = await asyncio.shield(running)
            if seen.wish == wish and _ids(accounts) <= seen.accounts:
                return seen.report

    def accounts_of(self, key: str) -> tuple[ArmId, ...]:
        """Return the accounts that anybody asked the region for and that were found."""
        return tuple(self._region(key).accounts.values())

    async def close(self) -> None:
        """Stop looking, whoever waits for it."""
        tasks = [region.running for region in self._regions.values() if region.running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, region: _Region, wish: object, look: Look) -> _Seen:
        try:
            began_at = self._clock.now()
            accounts = dict(sorted(region.accounts.items()))
            report = await look(list(accounts.values()))
            for account in report.missing_accounts():
                region.accounts.pop(folded(account), None)
            until_s = self._clock.monotonic_s() + _believed_s(report)
            region.seen = _Seen(report, frozenset(accounts), wish, until_s, began_at)
            return region.seen
        finally:
            region.running = None

    def _region(self, key: str) -> _Region:
        return self._regions.setdefault(key, _Region())


def _believed_s(report: Report) -> float:
    match report.outcome:
        case Done():
            return SHARED_S
        case Waiting(seconds=seconds):
            return min(seconds, _LONGEST_WAIT_S)
        case Failed():
            return FAILED_S


def _ids(accounts: Collection[ArmId]) -> frozenset[str]:
    return frozenset(folded(account) for account in accounts)
