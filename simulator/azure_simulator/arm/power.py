"""Start, power off, deallocate and restart of VMs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.disks import not_busy
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.instance_views import settle
from azure_simulator.arm.machine_bodies import KIND
from azure_simulator.arm.operations import MACHINE_ACTION
from azure_simulator.arm.reading import missing_by_gateway
from azure_simulator.resources import Resource

_Act = Callable[[Cloud, Resource], Awaitable[None]]


async def _start(cloud: Cloud, machine: Resource) -> None:
    if machine.hidden.get("machine"):
        await cloud.backing.machines.start(machine.id)


async def _stop(cloud: Cloud, machine: Resource) -> None:
    if machine.hidden.get("machine"):
        await cloud.backing.machines.stop(machine.id)


async def _restart(cloud: Cloud, machine: Resource) -> None:
    await _stop(cloud, machine)
    await _start(cloud, machine)


def _route(name: str, during: str, after: str, seconds: float, act: _Act) -> Route:
    async def handler(exchange: Exchange) -> Answer:
        cloud = exchange.cloud
        machine = cloud.resources.find(exchange.target.parent_path)
        if machine is None:
            raise missing_by_gateway(exchange.target)
        not_busy(machine)
        machine.properties["provisioningState"] = "Updating"
        machine.hidden["power"] = during
        cloud.resources.changed()

        async def work() -> None:
            await act(cloud, machine)
            machine.hidden["power"] = after
            settle(cloud, machine)

        headers = exchange.start(
            MACHINE_ACTION, work, region=machine.body["location"], seconds=seconds, makes=machine
        )
        return Answer(202, None, headers)

    return Route("POST", KIND, handler, name)


ROUTES = (
    _route("start", "starting", "running", 25, _start),
    _route("powerOff", "stopping", "stopped", 15, _stop),
    _route("deallocate", "deallocating", "deallocated", 30, _stop),
    _route("restart", "running", "running", 20, _restart),
)
