"""The Events of a policy: what a person reads of it under ``kubectl describe``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BlackoutShown,
    ObjectiveShown,
    Occasion,
)
from vmbackup_operator.model.display import counted
from vmbackup_operator.policies.machines_shown import leavers, newcomers, protected_names
from vmbackup_operator.policies.objective import named_with_times, turned
from vmbackup_operator.policies.occasions import Change, name_of_occasion
from vmbackup_operator.policies.ports import EventLog
from vmbackup_operator.policies.standing import Standing
from vmbackup_operator.policies.windows_shown import Window, is_put_off_anew

#: So many VMs an Event names.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells people of what happens to policies."""

    events: EventLog

    async def of_change(
        self,
        policy: BackupPolicy,
        change: Change,
        before: Occasion | None,
        without: Sequence[str],
    ) -> None:
        """Tell of slots that come to nothing, VMs *without* a turn, a trigger that is ignored."""
        if change.missed:
            message = f"no session was made for {counted(change.missed, 'slot')}: it was too late"
            await self.events.tell(policy, "Warning", "SlotsMissed", message)
        if change.last_blacked_out is not None:
            await self.events.tell(policy, "Normal", "SlotsBlackedOut", _blacked_out(change))
        if without and before is not None:
            message = f"{name_of_occasion(before)}: no turn for {named(without)}: {change.ended}"
            await self.events.tell(policy, "Warning", "SessionsSkipped", message)
        if change.ignored is not None:
            message = f"vmbackup.dev/trigger starts nothing: {change.ignored}"
            await self.events.tell(policy, "Warning", "TriggerIgnored", message)

    async def of_occasion(
        self, policy: BackupPolicy, begins: Occasion, standing: Standing, window: Window
    ) -> None:
        """Tell of an occasion that begins."""
        meant = standing.meant
        count = len(policy.spec.virtual_machines.ids if meant is None else meant)
        message = f"{name_of_occasion(begins)}: {counted(count, 'VM')} to back up"
        if window.until is not None and not window.holds_back(begins):
            message += f", though a blackout window lasts until {window.until:%Y-%m-%d %H:%M}Z"
        await self.events.tell(policy, "Normal", "OccasionBegun", message)

    async def of_put_off(
        self, policy: BackupPolicy, before: BlackoutShown | None, after: BlackoutShown | None
    ) -> None:
        """Tell of the first slot that a blackout window puts off."""
        if after is None or not is_put_off_anew(before, after):
            return
        message = (
            f"slot {after.put_off_slot:%Y-%m-%d %H:%M}Z lies in a blackout window; what is due by "
            f"then begins at {after.until:%Y-%m-%d %H:%M}Z"
        )
        await self.events.tell(policy, "Normal", "SlotPutOff", message)

    async def of_objective(self, policy: BackupPolicy, after: ObjectiveShown | None) -> None:
        """Tell which VMs breach their objective since the look before, and which meet it again.

        That comes before it is written down: after a crash it is told again.
        """
        broken, mended = turned(policy.status.rpo, after)
        if broken:
            message = f"no recovery point of the last {policy.spec.rpo}: {named_with_times(broken)}"
            await self.events.tell(policy, "Warning", "ObjectiveBreached", message)
        if mended:
            names = named([each.name for each in mended])
            message = f"a recovery point of the last {policy.spec.rpo} again: {names}"
            await self.events.tell(policy, "Normal", "ObjectiveMet", message)

    async def of_machines(self, policy: BackupPolicy, standing: Standing) -> None:
        """Tell people which VMs the selector meets since the look before, and which no more.

        *policy* is as it was before the look: killed before this, nobody is told.
        """
        before = policy.status.virtual_machines
        if policy.spec.virtual_machines.selector is None or standing.meant is None:
            return
        found = newcomers(before, protected_names(standing.meant))
        if found:
            message = f"backed up from now on: {named(found)}"
            await self.events.tell(policy, "Normal", "VirtualMachinesFound", message)
        left = leavers(before, standing.meant)
        if left:
            message = (
                f"not selected any more, so not backed up: {named(left)}. A VM was deleted, moved "
                "or renamed, or lost a tag; its recovery points stay by the policy's retention"
            )
            await self.events.tell(policy, "Warning", "VirtualMachinesLeft", message)


def _blacked_out(change: Change) -> str:
    """Say which slots have come to nothing for a blackout window."""
    last = f"{change.last_blacked_out:%Y-%m-%d %H:%M}Z"
    if change.blacked_out == 1:
        message = f"no session was made for slot {last} within a blackout window"
    else:
        number = counted(change.blacked_out, "slot")
        message = f"no session was made for {number} within a blackout window, the last of them "
        message += last
    if change.begins and change.status.occasion is not None:
        message += f": {name_of_occasion(change.status.occasion)} is newer"
    return message


def named(names: Sequence[str]) -> str:
    """Return *names* of VMs, as many as a person would read."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
