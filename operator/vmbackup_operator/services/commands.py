"""Managed Run Commands: a script, with what is secret in its protected parameters."""

from __future__ import annotations

import msgspec
from typing_extensions import override

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm import address, encoded, ended, find
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.removal import gone
from vmbackup_operator.sessions.ports import Commands as CommandsPort
from vmbackup_operator.sessions.seen import CommandSeen, CommandWanted

# The tail of each stream that a person may want to read; Azure keeps 4 KiB.
_OUTPUT_CHARACTERS = 500


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


class Commands(CommandsPort):
    """Run Commands on worker VMs."""

    def __init__(self, clients: Clients, operations: Operations) -> None:
        self._clients = clients
        self._operations = operations

    @override
    async def find(self, vm_id: ArmId, name: str) -> CommandSeen | None:
        at = address(vm_id)
        commands = self._clients.compute(at.subscription_id).virtual_machine_run_commands
        call = commands.get_by_virtual_machine(at.group, at.name, name, expand="instanceView")
        body = await find(f"reading command {name} of {at.name}", call)
        return None if body is None else _seen(msgspec.convert(body, _Command))

    @override
    async def run(self, wanted: CommandWanted) -> None:
        key = f"run {wanted.name} {wanted.vm_id.lower()}"
        begun = self._operations.under_way(key)
        if begun or await self.find(wanted.vm_id, wanted.name) is None:
            await self._operations.advance(key, lambda: self._send(wanted))

    @override
    async def delete(self, vm_id: ArmId, name: str) -> None:
        at = address(vm_id)
        commands = self._clients.compute(at.subscription_id).virtual_machine_run_commands
        await self._operations.advance(
            f"delete {name} {vm_id.lower()}",
            lambda: gone(
                f"deleting command {name} of {at.name}",
                commands.begin_delete(at.group, at.name, name),
            ),
        )

    async def _send(self, wanted: CommandWanted) -> Body:
        at = address(wanted.vm_id)
        commands = self._clients.compute(at.subscription_id).virtual_machine_run_commands
        call = commands.begin_create_or_update(
            at.group, at.name, wanted.name, encoded(command_body(wanted))
        )
        return await ended(f"running command {wanted.name} on {at.name}", call)


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
    tail = (view.output[-_OUTPUT_CHARACTERS:], view.error[-_OUTPUT_CHARACTERS:])
    output = "\n".join(part for part in tail if part) or view.execution_message
    match view.execution_state.lower():
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
