"""The operator's process: ready for the Lease, then for objects, until it is asked to end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator

from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import TransientError
from vmbackup_operator.cluster.connection import Connection, connected
from vmbackup_operator.cluster.leadership import Leadership
from vmbackup_operator.handlers.health import served
from vmbackup_operator.handlers.logs import log_to_stderr
from vmbackup_operator.handlers.serving import watch
from vmbackup_operator.metrics.arm_counts import ArmCounts
from vmbackup_operator.metrics.exposition import Exposition
from vmbackup_operator.services.correlation import PROCESS
from vmbackup_operator.settings import Settings
from vmbackup_operator.wiring.running import running
from vmbackup_operator.wiring.starting import established, key_ring

log = logging.getLogger(__name__)

#: The exit code of a start that another one may not meet again.
TROUBLE = 1


def serve(settings: Settings, asked: argparse.Namespace) -> int:
    """Run until SIGTERM; return the exit code, or raise PermanentError."""
    log_to_stderr(asked.log_format or settings.logging.format, verbose=asked.verbose)
    give_memory_back()
    try:
        asyncio.run(_run(settings, asked))
    except TransientError as error:
        log.error("ended by trouble at the start: %s", error)  # noqa: TRY400 - its cause says no more
        return TROUBLE
    except asyncio.CancelledError:
        log.info("ended before anything was watched")
    return 0


async def _run(settings: Settings, asked: argparse.Namespace) -> None:
    """Wait until everything is there that is needed, then serve until SIGTERM."""
    _end_when_asked_to()
    instance = asked.instance or f"{socket.gethostname()}-{os.getpid()}"
    host, _, port = asked.health.rpartition(":")
    log.info("appliance %s in %s: starting", settings.appliance.id, settings.appliance.region)
    counts = ArmCounts()
    exposition = Exposition(counts)
    async with (
        served(host, int(port), exposition, asked.health_port_file) as health,
        connected() as connection,
    ):
        await established(connection)
        ring = await key_ring(settings, connection)
        async with leading(settings, connection, instance, health.ready) as leadership:
            health.ready.clear()
            fence = leadership.check
            async with running(settings, ring, connection, instance, fence, counts) as operator:
                exposition.lead(operator.picture)
                await watch(operator, health.ready)
    log.info("appliance %s: ended", settings.appliance.id)


@contextlib.asynccontextmanager
async def leading(
    settings: Settings, connection: Connection, instance: str, ready: asyncio.Event
) -> AsyncIterator[Leadership]:
    """Wait for the Lease, ready to take over meanwhile, and hold it for as long as this lasts."""
    where = (settings.namespace, f"vmbackup-operator-{settings.appliance.id}")
    leadership = Leadership(connection, SystemClock(), where, instance)
    said: set[str] = set()

    def stand_by(holder: str) -> None:
        ready.set()
        if holder not in said:
            said.add(holder)
            log.info("standing by: operator %s holds Lease %s/%s", holder, *where)

    await leadership.acquire(stand_by)
    log.info("holds Lease %s/%s; ids of its requests to Azure end in %s", *where, PROCESS)
    keeping = asyncio.create_task(leadership.keep(), name="lease")
    keeping.add_done_callback(_end_at_once)
    try:
        yield leadership
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await leadership.release()


def _end_at_once(keeping: asyncio.Task[None]) -> None:
    """End the process where the Lease is lost: what it is at may be another one's by now."""
    if keeping.cancelled():
        return
    log.error("ended at once: %s", keeping.exception())
    logging.shutdown()
    os._exit(TROUBLE)


def _end_when_asked_to() -> None:
    """Have SIGTERM end the start; once objects are watched kopf answers to it instead."""
    current = asyncio.current_task()
    if current is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, current.cancel)


def give_memory_back() -> None:
    """Have the C library return what importing the SDKs needed for a moment only: half of it."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        log.debug("this C library keeps the memory that imports needed")
