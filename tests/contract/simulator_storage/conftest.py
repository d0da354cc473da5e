"""Storage fronts and export hosts under Azure's names, through TLS and a proxy on loopback."""

from __future__ import annotations

import asyncio
import base64
import secrets
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import web

from azure_simulator.disks.answers import Answers
from azure_simulator.disks.contents import Contents
from azure_simulator.disks.export_host import ExportHost
from azure_simulator.disks.exported import PageLists
from azure_simulator.disks.grants import ExportGrants
from azure_simulator.identities.directory import Identities
from azure_simulator.interventions import Interventions
from azure_simulator.journal import Journal
from azure_simulator.pace import Pace
from azure_simulator.resources import Resource, Resources
from azure_simulator.service import Service
from azure_simulator.storage.accounts import AzuriteAccounts
from azure_simulator.storage.archived_blobs import ArchivedBlobs
from azure_simulator.storage.authorization import Authorizer
from azure_simulator.storage.azurite import AzuriteProgram
from azure_simulator.storage.being_deleted import QueuesBeingDeleted
from azure_simulator.storage.data_plane import DataPlane, DoneInTime
from azure_simulator.storage.delegation import DelegationKeys
from azure_simulator.storage.front import StorageFront
from azure_simulator.storage.upstream import Upstream
from tests.contract.simulator_storage.cloud import (
    ACCOUNT_ID,
    KEYLESS_ID,
    TENANT,
    WORM,
    WORM_ID,
    Cloud,
)
from tests.contract.simulator_storage.tunnels import Tunnels
from tools.local_cloud.azurite import installed
from tools.local_cloud.toolchains import node


def _services(cloud: Cloud, upstream: Upstream) -> dict[str, Service]:
    keys = DelegationKeys()
    authorizer = Authorizer(cloud.identities, keys, cloud.now)
    archived = ArchivedBlobs(cloud.resources, Pace(60), cloud.monotonic)
    in_time = DoneInTime(QueuesBeingDeleted(Pace(60)), archived)
    plane = DataPlane(cloud.resources, cloud.accounts, upstream, authorizer, keys, in_time)
    answers = Answers(cloud.contents, cloud.grants, PageLists(cloud.resources))
    return {
        "blob.core.windows.net": StorageFront("blob", plane, cloud.interventions, cloud.journal),
        "queue.core.windows.net": StorageFront("queue", plane, cloud.interventions, cloud.journal),
        "blob.storage.azure.net": ExportHost(answers, cloud.interventions, cloud.journal),
    }


@asynccontextmanager
async def _served(services: dict[str, Service], ca: trustme.CA) -> AsyncIterator[str]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        host = request.headers["Host"].partition(":")[0].lower()
        service = services[".".join(host.split(".")[-4:])]
        return await service.answer(request, "appliance", host)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    names = [f"*.{name}" for name in services] + ["*.z1.blob.storage.azure.net"]
    ca.issue_cert(*names).configure_cert(context)
    server = web.Server(answer)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    tunnels = Tunnels(port)
    proxy = await asyncio.start_server(tunnels.accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    finally:
        proxy.close()
        await tunnels.close()
        listener.close()
        await server.shutdown(1)


@pytest.fixture(scope="session")
def bare_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Everything, without any storage account."""
    folder = tmp_path_factory.mktemp("cloud")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    resources = Resources()
    contents = Contents(folder / "disks")
    upstream = Upstream()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    cloud = Cloud(
        loop=loop,
        resources=resources,
        identities=Identities(resources, TENANT),
        journal=Journal(),
        interventions=Interventions(),
        contents=contents,
        grants=ExportGrants(contents),
        accounts=AzuriteAccounts(AzuriteProgram(node(), installed()), upstream),
        keys={},
        ca=str(folder / "ca.pem"),
    )
    serving = _served(_services(cloud, upstream), ca)
    try:
        cloud.proxy = cloud.run(serving.__aenter__())
        yield cloud
        cloud.run(serving.__aexit__(None, None, None))
    finally:
        cloud.run(cloud.accounts.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def cloud(bare_cloud: Cloud) -> Cloud:
    """Everything, with an account that takes its key and one that does not."""
    for arm_id, shared in ((ACCOUNT_ID, True), (KEYLESS_ID, False)):
        name = arm_id.rsplit("/", 1)[1]
        key = base64.b64encode(secrets.token_bytes(64)).decode()
        bare_cloud.keys[name] = key
        properties = {"allowSharedKeyAccess": shared, "minimumTlsVersion": "TLS1_2"}
        bare_cloud.resources.put(Resource(arm_id, {"properties": properties}))
        bare_cloud.run(bare_cloud.accounts.create(name, key))
        bare_cloud.run(bare_cloud.accounts.create_container(name, "data"))
    return bare_cloud


@pytest.fixture(scope="session")
def worm_cloud(bare_cloud: Cloud) -> Cloud:
    """Everything, with an account whose containers can lock versions."""
    key = bare_cloud.keys[WORM] = base64.b64encode(secrets.token_bytes(64)).decode()
    properties = {
        "allowSharedKeyAccess": True,
        "minimumTlsVersion": "TLS1_2",
        "immutableStorageWithVersioning": {"enabled": True},
    }
    bare_cloud.resources.put(Resource(WORM_ID, {"properties": properties}))
    bare_cloud.run(bare_cloud.accounts.create(WORM, key))
    bare_cloud.run(bare_cloud.accounts.create_container(WORM, "data"))
    return bare_cloud
