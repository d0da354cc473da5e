"""Which snapshot sets a retention lets go: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from vmbackup_core.ids import RunId
from vmbackup_core.retention.keeping import InForce, keep
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.sessions.snapshot_sets import SetSeen


def surplus_by(
    sets: Sequence[SetSeen], rule: Retention, own: RunId | None, now: datetime
) -> list[SetSeen]:
    """Return the *sets* that no line of the retention keeps; never *own*, and none at fault."""
    whole = [each for each in sets if each.fault is None]
    kept = keep([each.created_at for each in whole], [InForce(rule)], now)
    return [each for place, each in enumerate(whole) if place not in kept and each.run_id != own]
