"""400 workers that transfer are heard: ``python -m tools.bench.heard SECONDS``, real time.

The product's intake, ears and picture, and its queue adapter with Azure's own client over TLS to a
server on loopback. What hearing costs in all is measured first, then what the transport alone costs
that asks as often: the rest is our own code. The API server is in memory and its work is not ours.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import msgspec
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, RING, session_of
from tools.bench.api_server import ApiServer
from tools.bench.fleet import session_path
from tools.bench.turned_time import ComputedClock
from vmbackup_core.clock import SystemClock
from vmbackup_core.ids import LaunchNonce, WorkerId
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, events_queue
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.services.queues import AzureQueues
from vmbackup_operator.services.signatures import AzureSignatures
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.booked import BookedSessions, SessionsOfAllKinds
from vmbackup_operator.sessions.ear import LEASE_S
from vmbackup_operator.sessions.findings import backup_job
from vmbackup_operator.sessions.intake import Intake, Surroundings
from vmbackup_operator.sessions.seen import Account

WORKERS = 400
#: Until every queue was asked once and the pace is even.
_WARM_UP_S = 20.0


def measure(seconds: float = 60.0) -> dict[str, Any]:
    """Return the figures, measured in a process of its own."""
    command = [sys.executable, "-m", "tools.bench.heard", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class _Anybody(AsyncTokenCredential):
    """An identity that the loopback server does not ask about."""

    @override
    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken("token", int(time.time()) + 86_400)

    @override
    async def close(self) -> None:
        """Close nothing."""

    @override
    async def __aexit__(self, *_raised: object) -> None:
        """Close nothing."""


async def sessions_at_work(account: Account) -> list[BackupSession]:
    """Return sessions whose workers transfer and talk through *account*."""
    world = World()
    world.sessions.put(session_of())
    await world.run_until("ExportGranted")
    base = world.status()
    if base.worker is None or base.resolved is None or base.resolved.environment is None:
        raise RuntimeError("a session that was granted its exports has a worker and a region")
    home = replace(base.resolved.environment, home_storage_account_id=account.id)
    resolved, now = replace(base.resolved, environment=home), SystemClock().now()
    made = []
    for number in range(WORKERS):
        worker_id, launch = WorkerId(f"{number:020x}-1"), LaunchNonce(f"{number:032x}")
        worker = replace(
            base.worker,
            id=worker_id,
            launch=launch,
            events_queue=events_queue(worker_id, launch),
            launched_at=now - timedelta(minutes=5),
            last_heartbeat_time=now,
            last_worker_sequence=0,
            job_sequence=1,
        )
        session = session_of(ObjectKey(KEY.namespace, f"s-{number}"), uid=f"u-{number}")
        made.append(replace(session, status=replace(base, worker=worker, resolved=resolved)))
    return made


def talkers_of(sessions: list[BackupSession]) -> Iterator[tuple[str, str, str, str, str]]:
    """Return queue, worker, launch, key and job of each."""
    for session in sessions:
        worker = session.status.worker
        if worker is None or worker.launch is None:
            raise RuntimeError(f"{session.metadata.key} has no worker that was launched")
        key = RING.launch_key(worker.key_id, worker.id, worker.launch)
        if key is None:
            raise RuntimeError("the sample ring derives every launch's key")
        job = backup_job(session)
        yield worker.events_queue, worker.id, worker.launch, key.to_text(), job


@contextmanager
def queue_server(talkers: list[tuple[str, str, str, str, str]], folder: Path) -> Iterator[int]:
    """Run the server in a process of its own and yield its port; its CA is trusted from here on."""
    (folder / "talkers.json").write_text(json.dumps(talkers))
    arguments = [str(folder / "talkers.json"), str(folder / "ca.pem")]
    command = [sys.executable, "-m", "tools.bench.queue_server", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        os.environ["SSL_CERT_FILE"] = str(folder / "ca.pem")
        yield int(_piped(server.stdout).readline())
        _piped(server.stdin).close()


def _piped(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise RuntimeError("both pipes were asked for")
    return pipe


class CountedQueues(AzureQueues):
    """The product's adapter; counts its requests."""

    requests = 0
    messages = 0

    @override
    async def take(self, account: Account, queue: str, lease_s: int) -> Any:
        self.requests += 1
        found = await super().take(account, queue, lease_s)
        self.messages += len(found)
        return found

    @override
    async def remove(self, account: Account, queue: str, received: Any) -> None:
        self.requests += 1
        await super().remove(account, queue, received)


async def _measured(
    seconds: float, clock: ComputedClock, counted: Callable[[], int], work: Awaitable[None]
) -> dict[str, float]:
    """Return requests a second and the part of a core while *work* goes on."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(_WARM_UP_S)
    requests, computed_s, began_s = counted(), clock.computed_s, time.monotonic()
    await asyncio.sleep(seconds)
    took_s = time.monotonic() - began_s
    found = {
        "requests_per_s": round((counted() - requests) / took_s, 1),
        "percent_of_a_core": round(100 * (clock.computed_s - computed_s) / took_s, 1),
    }
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return found


async def _ask_only(
    queues: CountedQueues, account: Account, names: list[str], per_s: float
) -> None:
    """Ask the queues in turn, so many a second, and do nothing with what they hold."""
    asked: set[asyncio.Task[Any]] = set()
    while True:
        for name in names:
            task = asyncio.create_task(queues.take(account, name, LEASE_S))
            asked.add(task)
            task.add_done_callback(asked.discard)
            await asyncio.sleep(1 / per_s)


async def _run(seconds: float, folder: Path) -> dict[str, Any]:
    account = Account(ArmId(f"{KEY}/bench"), "https://localhost", "https://localhost")
    sessions = await sessions_at_work(account)
    with queue_server(list(talkers_of(sessions)), folder) as port:
        return await _heard(seconds, sessions, port)


async def _heard(seconds: float, sessions: list[BackupSession], port: int) -> dict[str, Any]:
    clock, real = ComputedClock(), SystemClock()
    clients = Clients(_Anybody(), real)
    data_plane = DataPlane(clients)
    queues = _Loopback(data_plane, AzureSignatures(data_plane, real), port)
    server = ApiServer(clock)
    book = SessionBook()
    booked = BookedSessions(
        BackupSession,
        StoredSessions(server),
        book,
        Allocator(book, lambda _key: None),
        lambda: None,
    )
    served = SessionsOfAllKinds(booked)
    intake = Intake(RING, real, Surroundings(queues, served, lambda _key: None))
    for session in sessions:
        server.put(session_path(session.metadata.key), _document(session))
        found = await booked.find(session.metadata.key)
        if found is not None:
            intake.listen(found)
    whole = await _measured(seconds, clock, lambda: queues.requests, intake.run())
    names = [each.status.worker.events_queue for each in sessions if each.status.worker]
    asking = _ask_only(queues, queues.account, names, whole["requests_per_s"])
    transport = await _measured(seconds, clock, lambda: queues.requests, asking)
    await data_plane.close()
    await clients.close()
    ours = whole["percent_of_a_core"] - transport["percent_of_a_core"]
    return {
        "workers": len(intake.heard_workers),
        **whole,
        "transport_alone": transport,
        "our_code_percent_of_a_core": round(ours, 1),
        "refused": dict(intake.refused),
        "kubernetes": {"reads": server.reads.total(), "writes": server.writes.total()},
        "seconds": seconds,
    }


class _Loopback(CountedQueues):
    """Every account is the server's: sessions compute their addresses from Azure's names."""

    def __init__(self, data_plane: DataPlane, signatures: AzureSignatures, port: int) -> None:
        super().__init__(data_plane, signatures)
        self.account = Account(ArmId("bench"), "", f"https://localhost:{port}/bench")

    @override
    async def take(self, account: Account, queue: str, lease_s: int) -> Any:
        return await super().take(self.account, queue, lease_s)

    @override
    async def remove(self, account: Account, queue: str, received: Any) -> None:
        await super().remove(self.account, queue, received)


def _document(session: BackupSession) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(session)
    return document


def main(arguments: list[str]) -> int:
    """Measure and print."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="vmbackup-heard-") as folder:
        found = asyncio.run(_run(float(arguments[0]), Path(folder)))
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
