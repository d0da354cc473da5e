"""`--speed`: what divides durations of operations and `Retry-After`, but never SAS and tokens."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How many times faster than Azure operations are."""

    speed: float = 1.0

    def seconds(self, azure_seconds: float) -> float:
        """Return how long here what takes Azure *azure_seconds*."""
        return azure_seconds / self.speed

    async def sleep(self, azure_seconds: float) -> None:
        """Wait as long as Azure would, divided by the speed."""
        await asyncio.sleep(self.seconds(azure_seconds))

    def retry_after(self, azure_seconds: float) -> int:
        """Return the value of a `Retry-After` header: whole seconds, never below one."""
        return max(1, math.ceil(self.seconds(azure_seconds)))
