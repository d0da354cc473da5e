"""What the tests of the work queue share: a reconciler that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from vmbackup_operator.reconciling.outcome import Outcome

Script = Callable[[str, int], Awaitable[Outcome]]


class Looks:
    """A reconciler that notes when each key was looked at, and asks *script* for the answer."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[tuple[float, str]] = []
        self.busy: set[str] = set()

    async def __call__(self, key: str) -> Outcome:
        assert key not in self.busy
        self.busy.add(key)
        try:
            self.seen.append((asyncio.get_running_loop().time(), key))
            return await self.script(key, self.count(key))
        finally:
            self.busy.remove(key)

    def count(self, key: str) -> int:
        return sum(1 for _, seen in self.seen if seen == key)

    def times(self, key: str) -> list[float]:
        return [round(at, 3) for at, seen in self.seen if seen == key]
