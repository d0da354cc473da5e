"""The health endpoint: /livez while the loop turns, /readyz once objects are watched, /metrics.

Every replica serves all three. One that stands by is ready as well, and tells of itself alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from vmbackup_operator.metrics.exposition import Exposition

#: How often the loop is measured, and the lag at which it counts as stuck.
MEASURE_S = 0.5
STUCK_S = 30.0


@dataclass(slots=True)
class Health:
    """What the endpoint tells; *ready* is set by whoever knows.

    One text of metrics is made at a time, in a thread of its own: whoever scrapes too often waits.
    """

    exposition: Exposition
    texts: ThreadPoolExecutor
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    lag_s: float = 0.0

    async def measure(self) -> None:
        """Keep measuring by how much the loop is late."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(MEASURE_S)
            self.lag_s = max(0.0, time.monotonic() - before - MEASURE_S)

    async def alive(self, _request: web.Request) -> web.Response:
        """Answer for /livez."""
        return _answer(f"loop lag {self.lag_s:.3f} s", ok=self.lag_s < STUCK_S)

    async def is_ready(self, _request: web.Request) -> web.Response:
        """Answer for /readyz."""
        ready = self.ready.is_set()
        return _answer("ready" if ready else "not watching yet", ok=ready)

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer for /metrics."""
        told, accept = self.exposition.take(self.lag_s), request.headers.get("Accept", "")
        loop = asyncio.get_running_loop()
        text, type_ = await loop.run_in_executor(self.texts, self.exposition.text, told, accept)
        return web.Response(body=text, headers={"Content-Type": type_})


def _answer(text: str, *, ok: bool) -> web.Response:
    return web.Response(text=f"{text}\n", status=200 if ok else 503)


@contextlib.asynccontextmanager
async def served(
    host: str, port: int, exposition: Exposition, port_file: Path | None
) -> AsyncIterator[Health]:
    """Serve on *host*:*port* (0: any free one) and write the port that it became to *port_file*."""
    texts = ThreadPoolExecutor(1, "metrics")
    health = Health(exposition, texts)
    application = web.Application()
    application.router.add_get("/livez", health.alive)
    application.router.add_get("/readyz", health.is_ready)
    application.router.add_get("/metrics", health.metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    measuring = asyncio.create_task(health.measure(), name="loop lag")
    try:
        await web.TCPSite(runner, host, port).start()
        if port_file is not None:
            _write_whole(port_file, str(runner.addresses[0][1]))
        yield health
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)
        await runner.cleanup()
        texts.shutdown()


def _write_whole(path: Path, text: str) -> None:
    """Write the file so that who reads it sees all of it or none."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, "ascii")
    part.replace(path)
