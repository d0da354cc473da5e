"""A queue service on loopback whose workers never stop talking: ``… queue_server TALKERS CA``.

A process of its own, so that its processor time is its own. It speaks as much of the queue protocol
as hearing takes: who asks gets what the queue's worker has said since. It prints its port, and ends
with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from aiohttp import web

from azure_simulator.gateway.certificates import Authority
from vmbackup_core.ids import JobId, LaunchNonce, WorkerId
from vmbackup_core.protocol import (
    NO_JOB,
    Event,
    Header,
    Heartbeat,
    LaunchKey,
    Progress,
    seal,
    write_message,
)
from vmbackup_core.protocol.limits import HEARTBEAT_S, PASSING_EVENT_S, PROGRESS_S

_AT_ONCE = 32
_TOTAL = 10**12
_MOMENT = "%a, %d %b %Y %H:%M:%S GMT"


@dataclass
class Talker:
    """A worker at its job: says how far it is, and that it lives."""

    worker: WorkerId
    launch: LaunchNonce
    key: LaunchKey
    job: JobId
    said: int = 0
    progress_s: float = 0.0
    heartbeat_s: float = 0.0

    def messages(self, now_s: float) -> list[str]:
        """Return what it has said since it was asked last, and has not passed yet."""
        events: list[tuple[JobId, Event]] = []
        self.heartbeat_s = max(self.heartbeat_s, now_s - PASSING_EVENT_S)
        self.progress_s = max(self.progress_s, now_s - PASSING_EVENT_S)
        while self.heartbeat_s + HEARTBEAT_S <= now_s:
            self.heartbeat_s += HEARTBEAT_S
            program = ("0.1", "0123456789abcdef", "3.10.12", datetime.now(UTC))
            events.append((NO_JOB, Heartbeat(self.worker, self.launch, *program)))
        while self.progress_s + PROGRESS_S <= now_s:
            self.progress_s += PROGRESS_S
            read = int(self.progress_s * 2**20) % _TOTAL
            events.append((self.job, Progress(self.job, 1, _TOTAL, read, read // 2)))
        return [self._sealed(job, event) for job, event in events][-_AT_ONCE:]

    def _sealed(self, job: JobId, event: Event) -> str:
        self.said += 1
        header = Header("event", self.worker, job, self.said)
        return seal(self.key, header, write_message(event))


class QueueService:
    """Answers for every queue whose name a talker has."""

    def __init__(self, talkers: dict[str, Talker]) -> None:
        self._talkers = talkers

    async def take(self, request: web.Request) -> web.Response:
        """Answer Get Messages."""
        talker = self._talkers[request.match_info["queue"]]
        said = talker.messages(time.monotonic())
        body = "".join(_as_xml(talker.said - n, text) for n, text in enumerate(reversed(said)))
        text = f'<?xml version="1.0"?><QueueMessagesList>{body}</QueueMessagesList>'
        return web.Response(text=text, content_type="application/xml", headers=_HEADERS)

    async def remove(self, _request: web.Request) -> web.Response:
        """Answer Delete Message."""
        return web.Response(status=204, headers=_HEADERS)


_HEADERS = {"x-ms-version": "2021-12-02", "x-ms-request-id": "0"}


def _as_xml(number: int, text: str) -> str:
    moment = datetime.now(UTC).strftime(_MOMENT)
    return (
        f"<QueueMessage><MessageId>{number}</MessageId><InsertionTime>{moment}</InsertionTime>"
        f"<ExpirationTime>{moment}</ExpirationTime><PopReceipt>r{number}</PopReceipt>"
        f"<TimeNextVisible>{moment}</TimeNextVisible><DequeueCount>1</DequeueCount>"
        f"<MessageText>{escape(text)}</MessageText></QueueMessage>"
    )


async def _serve(talkers: dict[str, Talker], authority: Authority) -> None:
    service = QueueService(talkers)
    application = web.Application()
    application.router.add_get("/bench/{queue}/messages", service.take)
    application.router.add_delete("/bench/{queue}/messages/{message}", service.remove)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.context_for("localhost"))
    await listener.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


def main(arguments: list[str]) -> int:
    """Serve until the input ends."""
    now_s = time.monotonic()
    talkers = {
        queue: Talker(
            WorkerId(worker), LaunchNonce(launch), LaunchKey.from_text(key), JobId(job),
            progress_s=now_s, heartbeat_s=now_s,
        )
        for queue, worker, launch, key, job in json.loads(Path(arguments[0]).read_text())
    }  # fmt: skip
    authority = Authority()
    Path(arguments[1]).write_bytes(authority.pem)
    asyncio.run(_serve(talkers, authority))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
