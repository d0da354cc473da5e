"""What the bench needs of another tool."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from tools.bench.engine.images import Images
from tools.bench.engine.processes import Cost, folder_mb
from tools.local_cloud.disk_images import first_difference

#: What each operation took, by the figures' names.
Round = Mapping[str, Mapping[str, float]]


class Missing(Exception):
    """The tool is not here; the text says why, or how to have it."""


class Peer(Protocol):
    """A tool that is run as its users run it."""

    @property
    def name(self) -> str:
        """What it is called in the result."""

    def version(self) -> str:
        """Return what it says of itself; raise Missing where it is not to be had."""

    def one_round(self, images: Images, scratch: Path) -> Round:
        """Return what its operations took, begun anew in the empty folder *scratch*."""


def shown(image: Path, place: Path) -> None:
    """Have *image* lie at *place*, where a state of the disk may have been before."""
    place.unlink(missing_ok=True)
    os.link(image, place)


def backed_up(
    image: Path, place: Path, repository: Path, back_up: Callable[[], Cost]
) -> Mapping[str, float]:
    """Return what it took to back up *image* shown at *place*, and what *repository* grew by."""
    shown(image, place)
    before = folder_mb(repository)
    cost = back_up()
    return {**cost.figures(), "stored_mb": folder_mb(repository) - before}


def restored(wanted: Path, target: Path, restore: Callable[[], Cost]) -> Mapping[str, float]:
    """Return what it took to restore into *target*; raise where that is not the disk *wanted*."""
    cost = restore()
    difference = first_difference(wanted, target)
    target.unlink()
    if difference is not None:
        raise RuntimeError(f"what was restored differs from {wanted} near byte {difference}")
    return cost.figures()
