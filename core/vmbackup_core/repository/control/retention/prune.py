"""Deletes what a plan of prune names: garbage for ever, so a plan may be old (S36)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vmbackup_core.repository.control.retention.prune_plan import Garbage, PrunePlan, Pruning
from vmbackup_core.stores.port import DELETED_AT_ONCE, NotDeleted, Store

#: Raises where the lease, or what else lets us delete, is gone.
Fence = Callable[[], None]


def open_fence() -> None:
    """Let everything pass: for who acts alone."""


def execute(pruning: Pruning, plan: PrunePlan, fence: Fence) -> list[NotDeleted]:
    """Delete what *plan* names and return what stays because it is locked, for another time.

    *fence* is asked before each batch. It may be broken off and taken again.
    """
    return [
        *_deleted(pruning.data, plan.data, fence),
        *_deleted(pruning.control.store, plan.control, fence),
    ]


def _deleted(store: Store, garbage: Sequence[Garbage], fence: Fence) -> Iterator[NotDeleted]:
    for begin in range(0, len(garbage), DELETED_AT_ONCE):
        fence()
        batch = garbage[begin : begin + DELETED_AT_ONCE]
        yield from store.delete_all([each.name for each in batch])
