"""A VM's newest recovery point brought back where the VM is: as disks, and as a VM of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tests.scenario.killing import undisturbed
from tests.scenario.small_machines import Machine
from tests.scenario.stage import Stage
from tests.scenario.test_restore_sessions import GROUP, differing
from tools.local_cloud.administrator import SUBSCRIPTION

Mode = Literal["Disks", "VirtualMachine"]


@dataclass(frozen=True, slots=True)
class ToBringBack:
    """What a VM in *region* holds, and how it is to come back."""

    stage: Stage
    machine: Machine
    region: str
    mode: Mode

    def begin(self, name: str, **spec: Any) -> None:
        """Ask for the newest recovery point, by a session that is retried quickly."""
        target: dict[str, Any] = {
            "subscriptionId": SUBSCRIPTION,
            "resourceGroup": GROUP,
            "region": self.region,
        }
        if self.mode == "VirtualMachine":
            target["vmName"] = name
        wanted = {"recoveryPointRef": {"name": self._point()}, "mode": self.mode, "target": target}
        self.stage.create("RestoreSession", name, {**wanted, "retryBackoffSeconds": 1, **spec})

    def back_up_first(self) -> None:
        """Have the VM a recovery point, unless there is one."""
        if self._points():
            return
        name = f"before-{self.machine.id.rsplit('/', 1)[-1]}"
        ended = undisturbed(self.stage, name, lambda it: self.stage.back_up(it, self.machine.id))
        assert ended.status["outcome"] == "Succeeded", ended.status

    def _point(self) -> str:
        return max(self._points())[1]

    def _points(self) -> list[tuple[str, str]]:
        """Return when each recovery point of the VM was made, and its object's name."""
        return [
            (each["spec"]["createdAt"], each["metadata"]["name"])
            for each in self.stage.get("recoverypoints")["items"]
            if each["spec"]["virtualMachineId"].lower() == self.machine.id.lower()
        ]

    def faults(self, status: dict[str, Any], before: set[str]) -> list[str]:
        """Return what is not as it should be of what the session made.

        *before* is what was in the group.
        """
        restored = status["restored"]
        made = {each["diskId"] for each in restored["disks"]}
        if self.mode == "VirtualMachine":
            made |= {restored["virtualMachineId"], *restored["networkInterfaceIds"]}
        found = {each.lower() for each in self.stage.azure.resources(GROUP)} - before
        wrong = differing(self.stage, status, self.machine)
        return wrong + sorted(found ^ {each.lower() for each in made})
