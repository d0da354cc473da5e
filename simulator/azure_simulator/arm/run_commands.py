"""Run Commands: managed ones, with protected parameters, and the action."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope
from azure_simulator.arm.disks import not_busy
from azure_simulator.arm.errors import ArmError, invalid_parameter, not_allowed
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.machine_bodies import KIND as MACHINE_KIND
from azure_simulator.arm.network_writes import frozen
from azure_simulator.arm.operations import MACHINE, MACHINE_ACTION, MACHINE_OUTPUT
from azure_simulator.arm.reading import missing_by_gateway, reading_routes
from azure_simulator.backing import CommandResult, MachineNotRunning
from azure_simulator.resources import Body, Resource, parent_id

KIND = f"{MACHINE_KIND}/runCommands"

#: How much of a script's output is returned, counted from its end.
_OUTPUT_BYTES = 4096
_TIMEOUT_S = 90 * 60
_SECONDS = 5.0

#: So many run commands a VM keeps, ended ones too.
_MOST = 25

#: What a script that took too long ends with.
_KILLED_LATE = 124

#: Scripts under way, by the run command's id in lower case.
_Running = dict[str, asyncio.Task[None]]


def _machine(exchange: Exchange, machine_id: str) -> Resource:
    machine = exchange.cloud.resources.find(machine_id)
    if machine is None:
        raise missing_by_gateway(exchange.target)
    not_busy(machine)
    if machine.hidden.get("power") != "running":
        raise not_allowed("The operation requires the VM to be running (or set to run).")
    if not machine.hidden.get("machine"):
        raise not_allowed(
            f"VM '{machine.name}' has not reported status for VM agent or extensions."
        )
    return machine


def _check_room(cloud: Cloud, machine: Resource) -> None:
    kept = sum(1 for _ in cloud.resources.under(f"{machine.id}/runCommands"))
    if kept >= _MOST:
        raise not_allowed(f"VM '{machine.name}' has {kept} run commands: {_MOST} at most.")


def _source(source: Body) -> str:
    script = source.get("script")
    if not isinstance(script, str) or not script:
        message = "This simulator runs scripts that are given in 'source.script'."
        raise invalid_parameter("source.script", message)
    return script


def _environment(given: Body) -> dict[str, str]:
    environment: dict[str, str] = {}
    for name in ("parameters", "protectedParameters"):
        for parameter in given.get(name) or []:
            environment[str(parameter["name"])] = str(parameter["value"])
    return environment


def _tail(text: str) -> str:
    return text.encode()[-_OUTPUT_BYTES:].decode(errors="replace")


class RunCommands:
    """The run commands of every VM; scripts outlive the request that began them."""

    def __init__(self) -> None:
        self._running: _Running = {}

    async def put(self, exchange: Exchange) -> Answer:
        """Create or replace a run command and run its script."""
        machine = _machine(exchange, parent_id(exchange.target.path))
        existing = exchange.existing
        if existing is None:
            _check_room(exchange.cloud, machine)
        body = envelope(exchange, KIND)
        if body["id"].lower() in self._running:
            raise not_allowed(f"Run command '{body['name']}' is still running.")
        given = exchange.properties
        script, environment = _source(given.get("source") or {}), _environment(given)
        secret = ("protectedParameters", "runAsPassword", "outputBlobUri", "errorBlobUri")
        shown = {k: v for k, v in given.items() if k not in secret}
        # Protected parameters are never shown: not by GET, not by the answer of the PUT.
        body["properties"] = {
            "asyncExecution": False,
            "timeoutInSeconds": 0,
            "treatFailureAsDeploymentFailure": False,
            **shown,
            "provisioningState": "Updating" if existing else "Creating",
        }
        resource = Resource(body["id"], body)
        resource.hidden["view"] = {
            "executionState": "Pending",
            "exitCode": 0,
            "output": "",
            "error": "",
        }
        exchange.cloud.resources.put(resource)
        run = self._begin(exchange.cloud, machine, resource, script, environment)

        async def work() -> None:
            if not resource.properties["asyncExecution"]:
                await asyncio.wait({run})
            _settle(resource)
            exchange.cloud.resources.changed()

        headers = exchange.start(MACHINE, work, region=machine.body["location"], seconds=_SECONDS)
        return Answer(200 if existing else 201, frozen(body), headers)

    def _begin(
        self,
        cloud: Cloud,
        machine: Resource,
        resource: Resource,
        script: str,
        environment: Mapping[str, str],
    ) -> asyncio.Task[None]:
        key = resource.id.lower()
        task = asyncio.create_task(_run(cloud, machine, resource, script, environment))
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return task

    async def delete(self, exchange: Exchange) -> Answer:
        """Remove a run command; a script that still runs is ended."""
        cloud, resource = exchange.cloud, exchange.existing
        machine = cloud.resources.find(parent_id(exchange.target.path))
        if machine is None:
            raise missing_by_gateway(exchange.target)
        if resource is None:
            return Answer(204)
        task = self._running.get(resource.id.lower())
        resource.properties["provisioningState"] = "Deleting"

        async def work() -> None:
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
            cloud.resources.remove(resource.id)

        headers = exchange.start(
            MACHINE_ACTION, work, region=machine.body["location"], seconds=_SECONDS
        )
        return Answer(202, None, headers)

    async def close(self) -> None:
        """End the scripts that still run."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of managed run commands and of the action."""
        return (
            Route("PUT", KIND, self.put),
            Route("PATCH", KIND, self.put),
            Route("DELETE", KIND, self.delete),
            *reading_routes(KIND, _missing, _shown),
            Route("POST", MACHINE_KIND, _action, "runCommand"),
        )


def _missing(_target: object) -> ArmError:
    message = "The entity was not found in this Azure location."
    return ArmError(404, "NotFound", message, target="runCommandName")


def _shown(exchange: Exchange, resource: Resource) -> Body:
    if "instanceview" not in exchange.query.get("$expand", "").lower():
        return resource.body
    properties = {**resource.properties, "instanceView": dict(resource.hidden["view"])}
    return {**resource.body, "properties": properties}


async def _run(
    cloud: Cloud,
    machine: Resource,
    resource: Resource,
    script: str,
    environment: Mapping[str, str],
) -> None:
    view = resource.hidden["view"]
    view |= {"executionState": "Running", "startTime": cloud.now()}
    timeout = resource.properties["timeoutInSeconds"] or _TIMEOUT_S
    began = time.monotonic()
    try:
        result = await cloud.backing.machines.run(machine.id, script, environment, timeout)
    except MachineNotRunning:
        view |= {
            "executionState": "Failed",
            "executionMessage": "The VM stopped while the script was running.",
            "exitCode": -1,
            "endTime": cloud.now(),
        }
        return
    state = "Succeeded" if result.exit_code == 0 else "Failed"
    if result.exit_code == _KILLED_LATE and time.monotonic() - began >= timeout:
        state = "TimedOut"
    view |= {
        "executionState": state,
        "exitCode": result.exit_code,
        "output": _tail(result.stdout),
        "error": _tail(result.stderr),
        "endTime": cloud.now(),
    }


def _settle(resource: Resource) -> None:
    properties, view = resource.properties, resource.hidden["view"]
    failed = view["executionState"] in ("Failed", "TimedOut")
    if failed and properties["treatFailureAsDeploymentFailure"]:
        properties["provisioningState"] = "Failed"
        message = f"Run command '{resource.name}' ended with exit code {view['exitCode']}."
        raise ArmError(409, "VMExtensionProvisioningError", message)
    properties["provisioningState"] = "Succeeded"


async def _action(exchange: Exchange) -> Answer:
    cloud = exchange.cloud
    machine = _machine(exchange, exchange.target.parent_path)
    if exchange.body.get("commandId") != "RunShellScript":
        raise invalid_parameter("commandId")
    if machine.hidden.get("runningAction"):
        message = "Run command extension execution is in progress. Please wait for completion."
        raise ArmError(409, "Conflict", message)
    script = "\n".join(exchange.body.get("script") or [])
    environment = _environment(exchange.body)
    machine.hidden["runningAction"] = True

    async def work() -> Body:
        try:
            result = await cloud.backing.machines.run(machine.id, script, environment, _TIMEOUT_S)
        finally:
            machine.hidden["runningAction"] = False
        return {"value": [_status(result)]}

    headers = exchange.start(MACHINE_OUTPUT, work, region=machine.body["location"], seconds=20)
    return Answer(202, None, headers)


def _status(result: CommandResult) -> Body:
    word = "succeeded" if result.exit_code == 0 else "failed"
    output = f"[stdout]\n{_tail(result.stdout)}\n[stderr]\n{_tail(result.stderr)}"
    return {
        "code": f"ProvisioningState/{word}",
        "level": "Info" if result.exit_code == 0 else "Error",
        "displayStatus": f"Provisioning {word}",
        "message": f"Enable {word}: \n{output}",
    }
