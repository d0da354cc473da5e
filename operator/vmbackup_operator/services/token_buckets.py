"""Azure's limits of requests, kept from our side: a token bucket per subscription and class.

Resource Manager counts requests per subscription, region and identity, by class; providers count on
their own and say by 429 and Retry-After when it is enough. Asking on regardless counts as well, so
nothing is sent that is known to be refused. Who can't wait is told how long it would take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vmbackup_core.clock import Clock

Class = Literal["reads", "writes", "deletes"]

_CLASSES: Mapping[str, Class] = {
    "GET": "reads",
    "HEAD": "reads",
    "OPTIONS": "reads",
    "DELETE": "deletes",
}


def class_of(method: str) -> Class:
    """Return the class that Azure counts a request as; an action (POST) is a write."""
    return _CLASSES.get(method.upper(), "writes")


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket's size, and how fast it fills."""

    size: float
    per_s: float


#: Resource Manager's own, of 2024: 250 reads, 200 writes, 200 deletes. A tenth of each is left in
#: Azure's bucket: requests arrive closer together than they were sent, and others send some too.
LIMITS: Mapping[Class, Limit] = {
    "reads": Limit(225, 25),
    "writes": Limit(180, 10),
    "deletes": Limit(180, 10),
}


# Who waited as long as was said must not be sent away for what sums of fractions lose.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Scope:
    """What is counted together; *provider* is a resource provider's name space, lower case."""

    subscription: str
    class_: Class
    provider: str = ""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at_s: float


class TokenBuckets:
    """All buckets of this process."""

    def __init__(self, clock: Clock, limits: Mapping[Class, Limit] = LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._buckets: dict[tuple[str, Class], _Bucket] = {}
        self._paused_until_s: dict[Scope, float] = {}

    def take(self, scope: Scope) -> float:
        """Take a token and return 0, or take none and return the seconds until there is one."""
        paused_s = self._paused_s(scope)
        if paused_s > 0:
            return paused_s
        bucket, limit = self._filled(scope), self._limits[scope.class_]
        if bucket.tokens < 1 - _ROUNDING:
            return (1 - bucket.tokens) / limit.per_s
        bucket.tokens -= 1
        return 0

    def see_remaining(self, scope: Scope, remaining: int) -> None:
        """Believe Azure where it has counted more requests than we did; others share the limit."""
        bucket = self._filled(scope)
        bucket.tokens = min(bucket.tokens, float(remaining))

    def pause(self, scope: Scope, seconds: float) -> None:
        """Have nothing of *scope* sent for so long; without a provider, of any provider."""
        until_s = self._clock.monotonic_s() + seconds
        self._paused_until_s[scope] = max(until_s, self._paused_until_s.get(scope, 0))

    def _paused_s(self, scope: Scope) -> float:
        now_s = self._clock.monotonic_s()
        for paused, until_s in list(self._paused_until_s.items()):
            if until_s <= now_s:
                del self._paused_until_s[paused]
        whole = Scope(scope.subscription, scope.class_)
        ends_s = (self._paused_until_s.get(each, now_s) for each in (scope, whole))
        return max(ends_s) - now_s

    def _filled(self, scope: Scope) -> _Bucket:
        now_s, limit = self._clock.monotonic_s(), self._limits[scope.class_]
        key = (scope.subscription, scope.class_)
        bucket = self._buckets.setdefault(key, _Bucket(limit.size, now_s))
        gained = (now_s - bucket.filled_at_s) * limit.per_s
        bucket.tokens = min(limit.size, bucket.tokens + gained)
        bucket.filled_at_s = now_s
        return bucket
