"""A disk that was made of a recovery point, as Azure in memory keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vmbackup_operator.naming import ArmId


@dataclass
class MadeDisk:
    """A disk, and what was written to it by its SAS: blocks by their offsets."""

    id: ArmId
    body: Mapping[str, Any]
    tags: Mapping[str, str]
    size_bytes: int
    disk_access_id: ArmId | None
    state: str = "ReadyToUpload"
    ready: bool = False
    failure: str | None = None
    url: str | None = None
    ends: datetime | None = None
    written: dict[int, bytes] = field(default_factory=dict)
    has_footer: bool = False
    changes: list[Mapping[str, Any]] = field(default_factory=list)
