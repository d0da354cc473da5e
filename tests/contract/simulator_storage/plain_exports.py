"""The export hosts on loopback, without TLS: a worker knows no proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from azure_simulator.disks.answers import Answers
from azure_simulator.disks.export_host import ExportHost
from azure_simulator.disks.exported import PageLists
from tests.contract.simulator_storage.cloud import Cloud


@contextmanager
def plain_exports(cloud: Cloud, name: str) -> Iterator[int]:
    """Serve the host called *name* until the block ends; yield the port."""
    answers = Answers(cloud.contents, cloud.grants, PageLists(cloud.resources))
    host = ExportHost(answers, cloud.interventions, cloud.journal)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await host.answer(request, "worker", name)

    async def begin() -> tuple[web.Server, asyncio.Server]:
        server = web.Server(answer)
        loop = asyncio.get_running_loop()
        return server, await loop.create_server(server, "127.0.0.1", 0)

    server, listener = cloud.run(begin())
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:

        async def end() -> None:
            listener.close()
            await server.shutdown(1)

        cloud.run(end())
