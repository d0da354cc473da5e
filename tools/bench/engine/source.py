"""The source that disks are read from: a process of its own, whose processor time is its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from azure_simulator.disks.sparse import Extent
from tools.bench.engine.numbered import Numbered
from tools.bench.engine.processes import serving, used_cpu_s


@dataclass(frozen=True, slots=True)
class Spread:
    """A disk that holds *count* extents of *length* bytes, *step* apart, and nothing else."""

    disk_bytes: int
    step: int
    length: int

    @property
    def count(self) -> int:
        """How many extents."""
        return self.disk_bytes // self.step

    def piece(self, content: bytes, at: int) -> bytes:
        """Return what lies in an extent: *content* from *at* on, with a mark of its own."""
        start = at % max(1, len(content) - self.length)
        mark = at.to_bytes(16, "big")
        return (mark + content[start : start + self.length])[: self.length].ljust(self.length)


@dataclass(frozen=True, slots=True)
class Source:
    """Shows the images that lie in *folder*; *ca_file* is whom a worker trusts."""

    folder: Path
    ca_file: Path
    base: str
    process: int

    def url(self, name: str) -> str:
        """Return the SAS of the state called *name*."""
        return f"{self.base}/{name}/abcd?sig=none"

    @property
    def cpu_s(self) -> float:
        """The processor time that it has used so far."""
        return used_cpu_s(self.process)

    def show(self, name: str, image: Path) -> None:
        """Show *image* as *name*."""
        os.link(image, self.folder / f"{name}.img")

    def show_changes(self, name: str, extents: Sequence[Extent], *previous: str) -> None:
        """Say what of *name* has changed since each of *previous*, before it is asked for."""
        self._tell(name, {"changed": dict.fromkeys(previous, extents)})

    def show_numbered(self, name: str, disk: Numbered, previous: str | None = None) -> None:
        """Show *disk* as *name*; where there is a *previous* state, it differs where it says."""
        (self.folder / f"{name}.img").touch()
        changed = {} if previous is None else {previous: disk.changed}
        self._tell(name, {"numbered": disk, "changed": changed})

    def show_unchanged(self, name: str, of: str) -> None:
        """Show the disk that is shown as *of* as *name* too, unchanged since."""
        os.link(self.folder / f"{of}.img", self.folder / f"{name}.img")
        self._tell(name, {**self._told(of), "changed": {of: []}})

    def show_spread(self, name: str, spread: Spread, content: bytes | None) -> None:
        """Show a disk of *spread* as *name*, with *content* over and over, or none."""
        path = self.folder / f"{name}.img"
        with path.open("wb") as file:
            file.truncate(spread.length * spread.count)
            for at in range(
                0, 0 if content is None else spread.length * spread.count, spread.length
            ):
                os.pwrite(file.fileno(), spread.piece(content or b"", at), at)
        self._tell(name, {"spread": [spread.disk_bytes, spread.step, spread.length]})

    def _told(self, name: str) -> dict[str, Any]:
        """Return what is said of *name* so far."""
        beside = self.folder / f"{name}.json"
        found: dict[str, Any] = json.loads(beside.read_text()) if beside.exists() else {}
        return found

    def _tell(self, name: str, told: Mapping[str, object]) -> None:
        (self.folder / f"{name}.json").write_bytes(msgspec.json.encode(told))


@contextmanager
def source(scratch: Path) -> Iterator[Source]:
    """Start a source in *scratch* that shows nothing yet, until the block ends."""
    folder, ca_file = scratch / "exports", scratch / "ca.pem"
    folder.mkdir()
    with serving("tools.bench.engine.export_server", folder, ca_file) as (process, address):
        yield Source(folder, ca_file, address, process.pid)
