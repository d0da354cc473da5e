"""What the daily look at snapshot sets needs beside what sessions need: what shows the sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vmbackup_operator.sessions.point_mirror import PointObject


class SetObjects(Protocol):
    """RecoveryPoint objects, of all kinds."""

    async def made_by_us(self, namespace: str) -> Sequence[PointObject]:
        """Return those that this appliance has made in the namespace."""

    async def remove(self, point: PointObject) -> None:
        """Delete the object if it is still the one with this uid; gone already is no error."""
