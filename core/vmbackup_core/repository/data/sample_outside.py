"""Comparing blocks outside the changed extents with the base that the rest is taken over from.

Whoever names the changed extents is not believed blindly: what it leaves out would be lost.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.extents import Extents
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.sample_back import SampleBack, Sampled
from vmbackup_core.repository.data.sections_back import SectionsTold
from vmbackup_core.repository.data.window_reader import Lost
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import IndexId
from vmbackup_core.repository.transfer import DiskSource

#: Returns *count* different numbers below *most*, or all of them.
Draw = Callable[[int, int], Sequence[int]]


def draw(most: int, count: int) -> Sequence[int]:
    """Draw so that nobody knows before which blocks will be looked at."""
    return secrets.SystemRandom().sample(range(most), min(most, count))


@dataclass(frozen=True, slots=True)
class SampleOutside:
    """Compares blocks of a disk with *base*; *changed* is not looked at."""

    store: DataSource
    keys: ChainKeys
    base: Manifest
    threads: int
    draw: Draw = draw

    def compare(self, disk: DiskSource, changed: Extents, count: int) -> Sampled:
        """Return what differs of *count* blocks: half are not zero in the base, half are any."""
        said = self.base.said
        anywhere = self.draw(-(-said.disk_bytes // said.block_bytes), count // 2)
        used = self.draw(self.base.lines.used_blocks, count - count // 2)
        back = SampleBack(self.store, self.keys, self.base, _Untold(), self.threads)
        return back.compare(disk, anywhere, used, but=changed)


class _Untold(SectionsTold):
    """Keeps nothing: a section that does not open has its whole shard read."""

    is_full = False

    @override
    def section(self, index: IndexId, offset: int, error: Lost) -> None:
        """Take it in."""

    @override
    def block(self, number: int, error: Lost) -> None:
        """Take it in."""
