"""A VM reaches what its VNet has a private endpoint for, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from azure_simulator.backing import CommandResult
from tests.private_networks import WorkerNetwork
from tests.scenario.machines.conftest import World, until

pytestmark = pytest.mark.machines

HOST = "acct.blob.core.windows.net"

#: curl may be missing from the host; the image's Python is always there. A failure is exit code 1
#: with the exception's name on standard error.
GET = (
    "import sys, urllib.request\n"
    "try:\n"
    "    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode(), end='')\n"
    "except Exception as error:\n"
    "    sys.exit(f'{type(error).__name__}: {error}')\n"
)


async def get(world: World, url: str) -> CommandResult:
    return await world.run('python3 -c "$PROGRAM" "$URL"', PROGRAM=GET, URL=url)


async def test_an_accounts_blob_is_read_by_name_over_verified_tls(world: World) -> None:
    await world.boot()

    result = await get(world, f"https://{HOST}/container/blob")

    assert (result.exit_code, result.stdout) == (0, f"{HOST}/container/blob")
    assert world.storage.callers == [world.vm]
    assert world.events("opened") == [(HOST, "")]


async def test_tls_is_not_verified_without_the_machines_trust_store(world: World) -> None:
    await world.boot()
    await world.output("rm -r /etc/ssl/certs")

    result = await get(world, f"https://{HOST}/container/blob")

    assert "CERTIFICATE_VERIFY_FAILED" in result.stderr


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://management.azure.com/subscriptions", "is public"),
        ("https://login.microsoftonline.com/", "is public"),
        ("https://other.blob.core.windows.net/x", "is public"),
        ("https://acct.queue.core.windows.net/x", "is public"),
    ],
    ids=["arm", "tokens", "another account", "a service without endpoint"],
)
async def test_a_known_name_without_a_way_is_refused_and_written_down(
    world: World, url: str, reason: str
) -> None:
    world.network.account("other", public=True)
    await world.boot()

    result = await get(world, url)

    assert result.exit_code == 1
    assert world.storage.callers == []
    ((host, why),) = world.events("refused")
    assert host == url.split("/")[2]
    assert reason in why


@pytest.mark.parametrize(
    "url",
    ["https://example.org/", "https://1.1.1.1/", "http://169.254.169.254/", "https://10.1.1.4/"],
    ids=["a foreign name", "a foreign address", "instance metadata", "an endpoint by number"],
)
async def test_nothing_outside_answers(world: World, url: str) -> None:
    await world.boot()

    result = await get(world, url)

    assert result.exit_code == 1
    assert world.storage.callers == []


async def test_the_hosts_loopback_is_another_ones(world: World) -> None:
    await world.boot()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        result = await get(world, f"http://127.0.0.1:{port}/")

    assert "Connection refused" in result.stderr


async def test_naming_another_account_on_an_endpoints_address_is_refused(world: World) -> None:
    world.network.account("other")
    await world.boot()
    await world.output("echo 10.1.1.4 other.blob.core.windows.net >> /etc/hosts")

    result = await get(world, "https://other.blob.core.windows.net/x")

    assert result.exit_code == 1
    assert world.storage.callers == []


TAKEN_AWAY: dict[str, Callable[[WorkerNetwork], None]] = {
    "the endpoint": lambda network: network.remove(network.blob_endpoint),
    "its approval": lambda network: network.set_approval(network.acct, "Rejected"),
    "its record": lambda network: network.remove(network.blob_record),
}


@pytest.mark.parametrize("take", TAKEN_AWAY.values(), ids=TAKEN_AWAY)
async def test_a_transfer_ends_when_its_way_goes(
    world: World, take: Callable[[WorkerNetwork], None]
) -> None:
    await world.boot()
    transfer = asyncio.create_task(get(world, f"https://{HOST}/endless"))
    await until(lambda: world.storage.sent_bytes > 1_000_000)

    take(world.network)

    async with asyncio.timeout(120):
        result = await transfer
    assert result.exit_code == 1
    assert [host for host, _ in world.events("cut")] == [HOST]
    sent = world.storage.sent_bytes
    await asyncio.sleep(0.2)
    assert world.storage.sent_bytes == sent
    assert (await get(world, f"https://{HOST}/x")).exit_code == 1


async def test_the_hosts_file_follows_the_networks_names(world: World) -> None:
    await world.boot()
    lookup = f"getent hosts {HOST} | cut -d ' ' -f 1"
    assert await world.output(lookup) == "10.1.1.4\n"

    world.network.remove(world.network.blob_record)
    await until(lambda: HOST not in hosts_file(world))
    assert await world.output(lookup) == ""

    world.network.record(world.network.blob_zone, "acct", "10.1.1.9")
    await until(lambda: HOST in hosts_file(world))
    assert await world.output(lookup) == "10.1.1.9\n"


async def test_32_mib_are_put_whole(world: World) -> None:
    await world.boot()
    program = (
        "import http.client\n"
        f"c = http.client.HTTPSConnection('{HOST}')\n"
        "c.request('PUT', '/pack', body=bytes(32 * 2**20))\n"
        "print(c.getresponse().read().decode())\n"
    )

    said = await world.output('python3 -c "$PROGRAM"', PROGRAM=program)

    assert said == f"{32 * 2**20}\n"


def hosts_file(world: World) -> str:
    return world.path("/etc/hosts").read_text(encoding="utf-8")
