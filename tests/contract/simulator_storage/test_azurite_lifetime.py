"""Azurite lives exactly as long as its account and the simulator."""

from __future__ import annotations

import base64
import secrets
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from azure_simulator.storage.accounts import AzuriteAccounts
from azure_simulator.storage.azurite import AzuriteFailed, AzuriteProgram
from azure_simulator.storage.upstream import Upstream
from tools.local_cloud.azurite import installed
from tools.local_cloud.toolchains import node

pytestmark = pytest.mark.azurite

SIMULATOR = """
import asyncio, sys
from pathlib import Path
from azure_simulator.storage.azurite import AzuriteProcess, AzuriteProgram

async def main():
    program = AzuriteProgram(Path(sys.argv[1]), Path(sys.argv[2]))
    process = await AzuriteProcess.start(program, "account", "a2V5")
    print(process.pid, flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_azurite_dies_with_a_simulator_that_is_killed() -> None:
    command = [sys.executable, "-c", textwrap.dedent(SIMULATOR), str(node()), str(installed())]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as simulator:  # noqa: S603 - our own
        assert simulator.stdout is not None
        pid = int(simulator.stdout.readline())
        assert is_running(pid)
        simulator.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_an_account_is_made_once_and_its_containers_too() -> None:
    accounts = AzuriteAccounts(AzuriteProgram(node(), installed()), Upstream())
    key = new_key()
    try:
        await accounts.create("one", key)
        await accounts.create("one", key)
        with pytest.raises(ValueError, match="another key"):
            await accounts.create("one", new_key())
        assert not await accounts.container_exists("one", "data")
        await accounts.create_container("one", "data")
        await accounts.create_container("one", "data")
        assert await accounts.container_exists("one", "data")
        await accounts.delete("one")
        await accounts.delete("one")
        assert accounts.find("one") is None
        with pytest.raises(LookupError):
            await accounts.container_exists("one", "data")
    finally:
        await accounts.close()


async def test_what_azurite_says_is_in_the_error_when_it_does_not_start(
    tmp_path: Path,
) -> None:
    accounts = AzuriteAccounts(AzuriteProgram(node(), tmp_path), Upstream())

    with pytest.raises(AzuriteFailed, match="Cannot find module"):
        await accounts.create("one", new_key())

    assert accounts.find("one") is None
