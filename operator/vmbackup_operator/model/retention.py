"""How many recovery points of a VM are kept."""

from __future__ import annotations

import msgspec


class Retention(msgspec.Struct, frozen=True, rename="camel"):
    """Keep the newest *last*, and the newest of each of so many days, weeks, months and years."""

    last: int = 7
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
