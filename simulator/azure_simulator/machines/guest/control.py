"""The simulator's wire into a VM: JSON lines that ask for Run Commands, and their results."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import Any

from azure_simulator.machines.guest.commands import run_command
from azure_simulator.machines.guest.systemd import ServiceManager

#: A line holds a whole script and its parameters.
_LONGEST_LINE = 64 * 1024 * 1024


async def serve(control: socket.socket) -> None:
    """Start the enabled units and answer *control* until it ends; then end the VM."""
    reader, writer = await asyncio.open_connection(sock=control, limit=_LONGEST_LINE)
    manager = ServiceManager()
    await manager.listen()
    manager.start_enabled()
    _send(writer, {"ready": True})
    running: dict[int, asyncio.Task[None]] = {}
    while line := await reader.readline():
        request = json.loads(line)
        number = int(request["id"])
        if "run" in request:
            running[number] = asyncio.create_task(_run(number, request["run"], writer))
            running[number].add_done_callback(lambda _, number=number: running.pop(number))  # type: ignore[misc]  # a default binds it
        elif number in running:
            running[number].cancel()
    # Nothing is shut down in order: this is a machine that lost its power.
    os._exit(0)


async def _run(number: int, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    result = await run_command(
        number, request["script"], request["environment"], request["timeoutSeconds"]
    )
    _send(
        writer,
        {
            "id": number,
            "exitCode": result.exit_code,
            "stdout": result.stdout,
            "stderr": result.stderr,
        },
    )


def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
