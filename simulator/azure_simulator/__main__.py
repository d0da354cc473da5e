"""``python -m azure_simulator``: as much of Azure as a VM backup uses, until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import stat
import sys
from pathlib import Path

from aiohttp import web

from azure_simulator.admin import Administration
from azure_simulator.assembly import Options, Simulator
from azure_simulator.machines.interpreter import UnfitPython
from azure_simulator.machines.namespaces import NamespacesForbidden, check_namespaces
from azure_simulator.storage.azurite import AzuriteProgram


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="azure_simulator", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="an empty or new folder")
    parser.add_argument("--speed", type=float, default=1.0, help="divides durations")
    parser.add_argument(
        "--rights-after",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long a role assignment takes to count, and to end; divided by --speed",
    )
    parser.add_argument("--python", type=Path, help="the Python of the worker's image")
    parser.add_argument("--node", type=Path, default=shutil.which("node"), help="Node 22 or newer")
    parser.add_argument("--azurite", type=Path, required=True, help="Azurite's package folder")
    parsed = parser.parse_args(arguments)
    if parsed.speed < 1:
        parser.error("--speed is 1 or more")
    if parsed.rights_after < 0:
        parser.error("--rights-after is 0 or more")
    if parsed.node is None or not Path(parsed.node).exists():
        parser.error(f"--node: no such file: {parsed.node}")
    if not (parsed.azurite / "package.json").exists():
        parser.error(f"--azurite: no package there: {parsed.azurite}")
    state = parsed.state.resolve()
    for left_over in ("ready.json", "disks", "machines"):
        if (state / left_over).exists():
            parser.error(f"--state: {state} was used before: it has {left_over}")
    program = AzuriteProgram(Path(parsed.node), parsed.azurite.resolve())
    return Options(state, parsed.speed, parsed.python, program, parsed.rights_after)


async def _serve(options: Options) -> None:
    await check_namespaces()
    options.state.mkdir(parents=True, exist_ok=True)
    simulator = await Simulator.start(options)
    runner = web.AppRunner(Administration(simulator).application(), access_log=None)
    try:
        await runner.setup()
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        _write_ready(options.state, simulator.ready(f"http://127.0.0.1:{_port(runner)}"))
        await _told_to_end()
    finally:
        await runner.cleanup()
        await simulator.close()


def _port(runner: web.AppRunner) -> int:
    port: int = runner.addresses[0][1]
    return port


def _write_ready(state: Path, ready: dict[str, object]) -> None:
    """Write it whole or not at all: whoever waits for the file reads it at once."""
    unfinished = state / "ready.json.part"
    unfinished.write_text(json.dumps(ready, indent=2) + "\n")
    unfinished.chmod(0o600)  # it has the administrator's secret
    unfinished.replace(state / "ready.json")


async def _told_to_end() -> None:
    """Return on SIGTERM or SIGINT, and when standard input was a pipe and closes."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        closing = asyncio.create_task(_drain(reader, end))
        await end.wait()
        closing.cancel()
        return
    await end.wait()


async def _drain(reader: asyncio.StreamReader, end: asyncio.Event) -> None:
    while await reader.read(4096):
        pass
    end.set()


def main() -> None:
    """Run until told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    options = _options(sys.argv[1:])
    try:
        asyncio.run(_serve(options))
    except UnfitPython as unfit:
        sys.exit(f"--python: {unfit}")
    except NamespacesForbidden as forbidden:
        sys.exit(str(forbidden))


if __name__ == "__main__":
    main()
