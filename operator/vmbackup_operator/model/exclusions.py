"""What backups leave out: by the tags of what is in Azure, and which disks of a VM there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from vmbackup_operator.arm_tags import tag_value

#: Which disks of a VM are backed up, before any is left out.
DiskScope = Literal["All", "OSDiskOnly"]


class TagWanted(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A tag that a VM or a disk has: with one of *values*, or with any value where none is said."""

    name: str
    values: tuple[str, ...] = ()

    def is_met_by(self, tags: Mapping[str, str]) -> bool:
        """Tell whether *tags* have it; their names compare without case, their values with it."""
        value = tag_value(tags, self.name)
        return value is not None and (not self.values or value in self.values)


class ExcludedDisk(msgspec.Struct, frozen=True, rename="camel"):
    """A disk that a VM has and its recovery point has not, by its position, and why, for people."""

    disk: str
    name: str
    why: str
