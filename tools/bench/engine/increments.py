"""Ten increments in the same extents, one after another, with and without delta."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from azure_simulator.disks import sparse
from tools.bench.engine.images import FIRST, Images
from tools.bench.engine.ours import BackedUp, Ours
from tools.bench.engine.peers.port import restored
from tools.bench.engine.repository import Disk
from tools.bench.engine.source import Source
from vmbackup_core.repository.data.grants import ManifestAt

COUNT = 10


def ten_increments(exports: Source, made: Images, scratch: Path, until_s: float) -> dict[str, Any]:
    """Return what ten increments store on average, and what the last takes to restore.

    After *until_s* of the monotonic clock no further one is begun: `count` says how many there are.
    """
    states = _States(exports, made, scratch)
    found = {}
    now_s = time.monotonic()
    halves_s = {"with_delta": now_s + (until_s - now_s) / 2, "without_delta": until_s}
    for name, enough_s in halves_s.items():
        found[name] = _measured(states, scratch, enough_s, deltas=name == "with_delta")
    return found


class _States:
    """Two files that take turns: each is two states behind when it is written to again."""

    def __init__(self, exports: Source, made: Images, scratch: Path) -> None:
        self.exports = exports
        self.made = made
        self._files = [scratch / "even.img", scratch / "odd.img"]
        for path in self._files:
            sparse.copy(made.first, path, made.kind.size_bytes)
            exports.show(path.stem, path)
        for now, other in zip(self._files, reversed(self._files), strict=True):
            exports.show_changes(now.stem, made.extents(), FIRST, other.stem)

    def path(self, number: int) -> Path:
        """Return the file that holds state *number*."""
        return self._files[number % 2]

    def disk(self, number: int, base: ManifestAt) -> Disk:
        """Return state *number*, written, and the one before it, which *base* was made of."""
        path, size_bytes = self.path(number), self.made.kind.size_bytes
        self.made.change(path, number)
        os.sync()  # no other's time
        before = FIRST if number == 1 else self.path(number - 1).stem
        url = self.exports.url
        return Disk("disk", url(path.stem), size_bytes, url(before), base)


def _measured(states: _States, scratch: Path, until_s: float, *, deltas: bool) -> dict[str, Any]:
    folder, target = scratch / "ours", scratch / "restored.img"
    ours = Ours(states.exports, folder)
    first = states.exports.url(FIRST)
    last = ours.back_up([Disk("disk", first, states.made.kind.size_bytes)])
    taken: list[BackedUp] = []
    while len(taken) < COUNT and (not taken or time.monotonic() < until_s):
        disk = states.disk(len(taken) + 1, ours.repository.manifest_of(last.committed[0]))
        last = ours.back_up([disk], deltas=deltas)
        taken.append(last)
    took = restored(states.path(len(taken)), target, lambda: ours.restore("disk", target))
    shutil.rmtree(folder)
    return {**_means(taken), "restore": {name: round(each, 3) for name, each in took.items()}}


def _means(taken: Sequence[BackedUp]) -> dict[str, float]:
    return {
        "count": len(taken),
        "stored_mb_mean": round(sum(each.stored_mb for each in taken) / len(taken), 2),
        "s_mean": round(sum(each.cost.s + each.operator_s for each in taken) / len(taken), 2),
        "cpu_s_mean": round(sum(each.cost.cpu_s for each in taken) / len(taken), 2),
        "read_mb_mean": round(sum(each.read_mb for each in taken) / len(taken), 1),
    }
