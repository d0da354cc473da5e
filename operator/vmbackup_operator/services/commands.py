"""Managed Run Commands: a script, with what is secret in its protected parameters."""

from __future__ import annotations

import msgspec
from typing_extensions import override

from vmbackup_core.redaction import shown
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.model.nulls import read_as
from vmbackup_operator.naming import ArmId
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.workers import proven_worker
from vmbackup_operator.sessions.ports import Commands
from vmbackup_operator.sessions.seen import CommandSeen, CommandWanted

# The tail of each stream that a person may want to read; Azure keeps 4 KiB of it.
_OUTPUT_CHARACTERS = 500
_KEPT_BYTES = 4096


class _InstanceView(msgspec.Struct, rename="camel", frozen=True):
    execution_state: str = "Unknown"
    exit_code: int | None = None
    output: str = ""
    error: str = ""
    execution_message: str = ""


class _Properties(msgspec.Struct, rename="camel", frozen=True):
    provisioning_state: str = ""
    instance_view: _InstanceView | None = None


class _Command(msgspec.Struct, rename="camel", frozen=True):
    properties: _Properties = _Properties()


class AzureCommands(Commands):
    """Run Commands on worker VMs; what would be sent to one that is not ours is refused."""

    def __init__(
        self, resources: ArmResources, operations: Operations, ownership: Ownership
    ) -> None:
        self._resources = resources
        self._operations = operations
        self._ownership = ownership

    @override
    async def find(self, vm_id: ArmId, name: str) -> CommandSeen | None:
        body = await self._resources.find("RunCommand", _id(vm_id, name))
        return None if body is None else _seen(read_as(body, _Command))

    @override
    async def run(self, wanted: CommandWanted) -> None:
        command = _id(wanted.vm_id, wanted.name)
        key = f"run {folded(command)}"
        begun = self._operations.under_way(key)
        if not begun:
            await proven_worker(self._resources, self._ownership, wanted.vm_id)
        if begun or await self._resources.find("RunCommand", command) is None:
            await self._operations.advance(
                key,
                lambda: self._resources.put(
                    "RunCommand", command, command_body(wanted), shows=False
                ),
            )

    @override
    async def delete(self, vm_id: ArmId, name: str) -> None:
        command = _id(vm_id, name)
        key = f"delete {folded(command)}"
        if not self._operations.under_way(key):
            worker = await proven_worker(self._resources, self._ownership, vm_id)
            if worker is None:
                return  # it went with its VM
            if not await self._stays(command):
                return
        await self._operations.advance(
            key,
            lambda: self._resources.delete("RunCommand", command),
        )

    async def _stays(self, command: ArmId) -> bool:
        """Tell whether the command is there, and not going: an operator before may have asked."""
        body = await self._resources.find("RunCommand", command)
        if body is None:
            return False
        state = read_as(body, _Command).properties.provisioning_state
        return folded(state) != "deleting"


def _id(vm_id: ArmId, name: str) -> ArmId:
    return ArmId(f"{vm_id}/runCommands/{name}")


def command_body(wanted: CommandWanted) -> Body:
    """Return the command; a failing script is not a failed deployment, we hear of it otherwise."""
    return {
        "location": wanted.region,
        "tags": dict(wanted.tags),
        "properties": {
            "source": {"script": wanted.script},
            "protectedParameters": [
                {"name": name, "value": value} for name, value in wanted.protected.items()
            ],
            "asyncExecution": True,
            "timeoutInSeconds": wanted.timeout_s,
            "treatFailureAsDeploymentFailure": False,
        },
    }


def _seen(command: _Command) -> CommandSeen:
    view = command.properties.instance_view
    if view is None:
        return CommandSeen("unknown")
    tail = (end_of(view.output), end_of(view.error))
    output = "\n".join(part for part in tail if part) or view.execution_message
    match folded(view.execution_state):
        case "pending" | "running":
            return CommandSeen("running")
        case "succeeded":
            # Azure calls a script that ended a success, whatever its exit code.
            failed = view.exit_code not in {None, 0}
            return CommandSeen("failed" if failed else "succeeded", view.exit_code, output)
        case "failed" | "timedout" | "canceled":
            return CommandSeen("failed", view.exit_code, output)
        case _:
            return CommandSeen("unknown", view.exit_code, output)


def end_of(stream: str) -> str:
    """Return the end of what a script wrote, as it may be shown.

    A word that was cut in two is left out: the rest of a signature does not look like one.
    """
    if len(stream.encode()) >= _KEPT_BYTES:
        stream = stream.partition("\n")[2] or stream.partition(" ")[2]
    text = shown(stream)
    if len(text) <= _OUTPUT_CHARACTERS:
        return text
    return text[-_OUTPUT_CHARACTERS:].partition(" ")[2]
