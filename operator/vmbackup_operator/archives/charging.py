"""For how long Azure charges for what lies in a tier, whenever it is deleted; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from vmbackup_core.stores.port import Tier

#: Azure's least times of its tiers.
LEAST: Mapping[Tier, timedelta] = {"Cool": timedelta(days=30), "Cold": timedelta(days=90)}


def charged_until(tier: Tier, stored_at: datetime) -> datetime | None:
    """Return until when what was *stored_at* a moment is charged for in any case.

    None in a tier that has no least time.
    """
    least = LEAST.get(tier)
    return None if least is None else stored_at + least
