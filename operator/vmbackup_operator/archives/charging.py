"""For how long Azure charges for what lies in a tier, whenever it is deleted; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from vmbackup_operator.model.tiers import RepositoryTier

#: Azure's least times of its tiers.
LEAST: Mapping[RepositoryTier, timedelta] = {
    "Cool": timedelta(days=30),
    "Cold": timedelta(days=90),
    "Archive": timedelta(days=180),
}


def charged_until(tier: RepositoryTier, stored_at: datetime) -> datetime | None:
    """Return until when what was *stored_at* a moment is charged for in any case.

    None in a tier that has no least time.
    """
    least = LEAST.get(tier)
    return None if least is None else stored_at + least
