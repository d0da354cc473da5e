"""The operator's end of the conversation for tests: containers and queues of a real Azurite."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas
from azure.storage.queue import QueueSasPermissions, QueueServiceClient, generate_queue_sas

from tools.local_cloud.azurite import Azurite
from vmbackup_core.ids import JobId, LaunchNonce, WorkerId
from vmbackup_core.protocol import (
    Event,
    Header,
    Job,
    LaunchKey,
    launch_key,
    read_event,
    seal,
    unseal,
    write_message,
)
from vmbackup_core.stores.azure_blob import SERVICE_VERSION

E = TypeVar("E")

DEADLINE_S = 60.0


@dataclass
class Cloud:
    """One worker's queues and containers in *azurite*; *name* keeps tests apart."""

    azurite: Azurite
    account: str
    name: str
    ca: str | None = None
    seen: list[tuple[Header, Event]] = field(default_factory=list)
    _sequence: int = 0
    _rotations: int = 0

    @property
    def worker_id(self) -> WorkerId:
        return WorkerId(f"w-{self.name}")

    @property
    def key(self) -> LaunchKey:
        return launch_key(b"\5" * 32, self.worker_id, self.launch)

    @property
    def launch(self) -> LaunchNonce:
        return LaunchNonce((self.name.encode().hex() + "0" * 32)[:32])

    @property
    def blobs(self) -> BlobServiceClient:
        url, key = self.azurite.blob_url(self.account), self.azurite.accounts[self.account]
        return BlobServiceClient(
            url, credential=key, api_version=SERVICE_VERSION, connection_verify=self.ca or True
        )

    @property
    def queues(self) -> QueueServiceClient:
        url, key = self.azurite.queue_url(self.account), self.azurite.accounts[self.account]
        return QueueServiceClient(
            url, credential=key, api_version=SERVICE_VERSION, connection_verify=self.ca or True
        )

    def make_queues(self) -> None:
        self.queues.create_queue(self.jobs_queue)
        self.queues.create_queue(self.events_queue)

    def rotate_events_queue(self) -> None:
        """Take the events queue away and make another: the SAS of the old one is of no use."""
        self.queues.delete_queue(self.events_queue)
        self._rotations += 1
        self.queues.create_queue(self.events_queue)

    @property
    def jobs_queue(self) -> str:
        return f"jobs-{self.name}"

    @property
    def events_queue(self) -> str:
        return f"events-{self.name}-{self._rotations}"

    @property
    def jobs_url(self) -> str:
        return self._queue_url(self.jobs_queue, QueueSasPermissions(process=True, update=True))

    @property
    def events_url(self) -> str:
        return self._queue_url(self.events_queue, QueueSasPermissions(add=True))

    def container_url(self, name: str, permissions: str) -> str:
        sas = generate_container_sas(
            self.account,
            name,
            account_key=self.azurite.accounts[self.account],
            permission=ContainerSasPermissions.from_string(permissions),
            expiry=_in_an_hour(),
        )
        return f"{self.azurite.blob_url(self.account)}/{name}?{sas}"

    def _queue_url(self, name: str, permissions: QueueSasPermissions) -> str:
        sas = generate_queue_sas(
            self.account,
            name,
            self.azurite.accounts[self.account],
            permission=permissions,
            expiry=_in_an_hour(),
        )
        return f"{self.azurite.queue_url(self.account)}/{name}?{sas}"

    def send(self, job: Job, sequence: int | None = None) -> None:
        """Send *job* under the next sequence number, or *sequence*."""
        self._sequence = self._sequence + 1 if sequence is None else sequence
        header = Header("job", self.worker_id, job.job_id, self._sequence)
        self.send_text(seal(self.key, header, write_message(job)))

    def send_text(self, text: str) -> None:
        with self.queues.get_queue_client(self.jobs_queue) as queue:
            queue.send_message(text)

    def jobs_left(self) -> int:
        with self.queues.get_queue_client(self.jobs_queue) as queue:
            return int(queue.get_queue_properties().approximate_message_count or 0)

    def visible_jobs(self) -> int:
        with self.queues.get_queue_client(self.jobs_queue) as queue:
            return len(queue.peek_messages(max_messages=32))

    def take_events(self) -> None:
        """Take in what has arrived: authentic, of this worker, each message once."""
        with self.queues.get_queue_client(self.events_queue) as queue:
            try:
                for message in queue.receive_messages(max_messages=32):
                    header, payload = unseal(
                        self.key, message.content, direction="event", worker_id=self.worker_id
                    )
                    self.seen.append((header, read_event(payload)))
                    queue.delete_message(message)
            except ResourceNotFoundError:
                return

    def events(self, kind: type[E]) -> list[E]:
        self.take_events()
        return [event for _, event in self.seen if isinstance(event, kind)]

    def wait_for(self, kind: type[E], count: int = 1) -> E:
        """Return the *count*-th event of *kind*."""
        found: list[E] = []

        def there() -> bool:
            found[:] = self.events(kind)
            return len(found) >= count

        until(there, lambda: f"{count} {kind.__name__}; came: {self.seen}")
        return found[count - 1]


def until(holds: Callable[[], object], wanted: Callable[[], str] = lambda: "") -> None:
    """Return when *holds*; fail after a minute."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, wanted()
        time.sleep(0.05)


def _in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def job_id(cloud: Cloud) -> JobId:
    """Return the id of the one job that a test gives."""
    return JobId(f"{cloud.name}-backup")
