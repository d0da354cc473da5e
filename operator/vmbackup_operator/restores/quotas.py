"""Which of a region's quotas has no room for what is to be made there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import text_at
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.sessions.target_ports import Usage

#: By a SKU's name, how Azure calls the quota of such disks.
_DISK_QUOTAS = (
    ("premiumv2_lrs", "PremiumV2DiskCount"),
    ("premium_zrs", "PremiumZRSDiskCount"),
    ("premium_lrs", "PremiumDiskCount"),
    ("standardssd_zrs", "StandardSSDZRSDiskCount"),
    ("standardssd_lrs", "StandardSSDDiskCount"),
    ("standard_lrs", "StandardDiskCount"),
    ("ultrassd_lrs", "UltraSSDDiskCount"),
)


def quotas_of_disk(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the name of the quota that a disk of this *body* counts on, where there is one."""
    sku = folded(text_at(dict(body), "sku", "name"))
    yield from (quota for name, quota in _DISK_QUOTAS if sku == name)


def short_quota(
    wanted: Iterable[str], region: str, usages: Sequence[Usage], remedy: str
) -> Failed | None:
    """Return which quota is too small, None where there is room; Azure's count may lag behind.

    *wanted* has a quota's name for each thing that counts on it; *remedy* is what may be done in
    place of having it raised.
    """
    known = {folded(usage.name): usage for usage in usages}
    for name, count in Counter(wanted).items():
        usage = known.get(folded(name))
        if usage is not None and usage.used + count > usage.limit:
            message = (
                f"{usage.words} in {region}: {count} more are needed, {usage.used} of "
                f"{usage.limit} are in use. Have the quota raised, or {remedy}"
            )
            return Failed("QuotaExceeded", message)
    return None
