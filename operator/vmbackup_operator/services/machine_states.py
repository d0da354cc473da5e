"""What a VM's body says of its state: its power, and whether Azure is still at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, bodies_at, text_at
from vmbackup_operator.sessions.rewind_ports import MachinePower

_POWER: Final = "powerstate/"
#: Azure's power states that last; the others are on their way to one of them.
_STANDING: Final[Mapping[str, MachinePower]] = {
    "running": "running",
    "stopped": "stopped",
    "deallocated": "deallocated",
}
#: Azure's states in which nothing is under way; a missing one means that all went well.
_SETTLED: Final = frozenset({"", "succeeded", "failed", "canceled"})


def is_settled(body: Body) -> bool:
    """Tell whether the VM is as *body* says.

    While an operation is under way, whoever began it, the body has what is to be and may never be.
    """
    return folded(text_at(body, "properties", "provisioningState")) in _SETTLED


def power_of(body: Body) -> MachinePower:
    """Return the power of the VM whose *body* has its instance view."""
    statuses = bodies_at(body, "properties", "instanceView", "statuses")
    codes = [folded(text_at(each, "code")) for each in statuses]
    said = next((each for each in codes if each.startswith(_POWER)), "")
    return _STANDING.get(said.removeprefix(_POWER), "changing")
