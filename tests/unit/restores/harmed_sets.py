"""What may befall a retained snapshot set: it is not what its point was stored of any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.worlds.memory_world import World


def lose_one(world: World) -> None:
    world.azure.snapshots.popitem()


def lose_all(world: World) -> None:
    world.azure.snapshots.clear()


def take_again(world: World) -> None:
    key, snapshot = next(iter(world.azure.snapshots.items()))
    world.azure.snapshots[key] = replace(snapshot, unique_id=snapshot.unique_id.__class__("other"))


def alter_a_tag(world: World) -> None:
    key, snapshot = next(iter(world.azure.snapshots.items()))
    tags: Mapping[str, str] = {**snapshot.tags, "vmbackup-sealed-0": "A" * 256}
    world.azure.snapshots[key] = replace(snapshot, tags=tags)


HARMS: tuple[Callable[[World], None], ...] = (lose_one, lose_all, take_again, alter_a_tag)
