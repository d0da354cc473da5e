"""Whose turn it is on an occasion; pure.

VMs go in the order of their ids, from behind the one that was last on the occasion before, around.
So two ids tell who had a turn, and whoever had none comes first the next time.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import Occasion
from vmbackup_operator.naming import ArmId, same_id


def owed(occasion: Occasion, machines: Iterable[ArmId]) -> list[ArmId]:
    """Return those of *machines* that are owed a session, in the order of their turns.

    Those that were passed over come first: their turn was before all others'.
    """
    in_order = sorted(machines, key=lambda vm_id: _place(occasion, vm_id))
    waiting = [vm_id for vm_id in in_order if _is_passed_over(occasion, vm_id)]
    return waiting + [vm_id for vm_id in in_order if not _had_turn(occasion, vm_id)]


def with_begun(occasion: Occasion, vm_id: ArmId) -> Occasion:
    """Return *occasion* where the VM, one of those owed, has been given its session."""
    if not _is_passed_over(occasion, vm_id):
        return replace(occasion, last=vm_id)
    rest = tuple(each for each in occasion.passed_over if not same_id(each, vm_id))
    return replace(occasion, passed_over=rest)


def with_passed_over(occasion: Occasion, vm_id: ArmId) -> Occasion:
    """Return *occasion* where the VM's turn came and could not be taken yet."""
    if _is_passed_over(occasion, vm_id):
        return occasion
    return replace(occasion, last=vm_id, passed_over=(*occasion.passed_over, vm_id))


def last_of(occasion: Occasion | None) -> str | None:
    """Return the VM behind which the next occasion begins."""
    return None if occasion is None else occasion.last or occasion.after


def _place(occasion: Occasion, vm_id: str) -> tuple[bool, str]:
    """Return what sorts VMs by their turns: those up to *after* come behind all others."""
    key = folded(vm_id)
    return (occasion.after is not None and key <= folded(occasion.after), key)


def _had_turn(occasion: Occasion, vm_id: ArmId) -> bool:
    last = occasion.last
    return last is not None and _place(occasion, vm_id) <= _place(occasion, last)


def _is_passed_over(occasion: Occasion, vm_id: ArmId) -> bool:
    return any(same_id(each, vm_id) for each in occasion.passed_over)
