"""The agent's end of the conversation: sealed messages over two Azure queues."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import (
    NO_JOB,
    Event,
    Header,
    Job,
    Overflow,
    Passing,
    RefusedMessage,
    opened,
    read_job,
    seal,
    unseal,
    write_message,
)
from vmbackup_core.protocol.limits import DEQUEUES, PASSING_EVENT_S
from vmbackup_core.stores.azure_blob import SERVICE_VERSION
from vmbackup_core.stores.azure_errors import code_of, translated
from vmbackup_core.stores.connections import connections
from vmbackup_worker.numbers import Numbers
from vmbackup_worker.overflow import OverflowBlobs
from vmbackup_worker.settings import Settings
from vmbackup_worker.trust import ca_file

log = logging.getLogger(__name__)

#: More than an agent is ever given at once; a queue hands out at most 32.
MESSAGES = 8


#: Stricter than the client, which finds out only when it is used.
_WAY = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/\S+")


class LeaseLost(TransientError):
    """The message is somebody else's again: its visibility timeout ended, or it was deleted."""


@dataclass(slots=True)
class Lease:
    """The agent's hold on one message; extending it changes the receipt."""

    message_id: str
    receipt: str
    dequeues: int


@dataclass(frozen=True, slots=True)
class Received:
    """A job's message that authenticates; *job* is an error where this version can't read it."""

    header: Header
    job: Job | PermanentError
    lease: Lease


class Inbox:
    """The jobs queue of this launch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.jobs_url
        self._queue = queue_client(self._url)
        self._blobs = OverflowBlobs()
        self._refused = 0

    def renew(self, url: str) -> None:
        """Ask the queue by the SAS of *url* from here on; raise PermanentError."""
        if url != self._url:
            self._queue = queue_client(url)
            self._url = url

    def receive(self) -> list[Received]:
        """Return what is new, leased; foreign and altered messages are counted and deleted."""
        with _translated("asking for jobs"):
            messages = list(
                self._queue.receive_messages(
                    messages_per_page=MESSAGES,
                    max_messages=MESSAGES,
                    visibility_timeout=self._settings.rhythm.lease_s,
                )
            )
        received = []
        for message in messages:
            lease = Lease(message.id, str(message.pop_receipt), int(message.dequeue_count or 0))
            opened = self._opened(str(message.content), lease)
            if opened is not None:
                received.append(opened)
        return received

    def extend(self, lease: Lease) -> None:
        """Keep the message for another while; raise LeaseLost."""
        self._show_in(lease, self._settings.rhythm.lease_s)

    def give_back(self, lease: Lease) -> None:
        """Let the message be received again at once; raise LeaseLost."""
        self._show_in(lease, 0)

    def delete(self, lease: Lease) -> None:
        """Remove the message for good; raise LeaseLost."""
        with _translated("deleting a job's message"):
            self._queue.delete_message(lease.message_id, lease.receipt)

    def _show_in(self, lease: Lease, seconds: int) -> None:
        with _translated("extending a job's lease"):
            updated = self._queue.update_message(
                lease.message_id, lease.receipt, visibility_timeout=seconds
            )
            lease.receipt = str(updated.pop_receipt)

    def _opened(self, text: str, lease: Lease) -> Received | None:
        """Return the job of a message; None where it is refused, or can't be had at the moment."""
        settings = self._settings
        try:
            header, payload = unseal(
                settings.key, text, direction="job", worker_id=settings.worker_id
            )
            return Received(header, self._job(header, payload, lease.dequeues), lease)
        except RefusedMessage as error:
            self._refused += 1
            log.warning("%s (%s so far)", error, self._refused)
            self.delete(lease)
        except TransientError as error:  # it comes again when its lease has ended
            log.warning("%s", error)
        return None

    def _job(self, header: Header, payload: bytes, dequeues: int) -> Job | PermanentError:
        try:
            job = read_job(payload)
            if isinstance(job, Overflow):
                job = opened(self._settings.key, header, job, self._blobs.get(job.url))
            if isinstance(job, Overflow):
                raise PermanentError("pointer to a pointer", reason="BadMessage")
        except RefusedMessage:
            raise
        except PermanentError as error:
            return error
        except TransientError as error:
            if dequeues <= DEQUEUES:
                raise
            return PermanentError(f"{error}, {dequeues} times", reason="JobSeenTooOften")
        return job


class Outbox:
    """The events queue of this launch; calls come from several threads."""

    def __init__(self, settings: Settings, numbers: Numbers) -> None:
        self._settings = settings
        self._key = settings.key
        self._numbers = numbers
        self._url = settings.events_url
        self._queue = queue_client(self._url)

    def renew(self, url: str) -> None:
        """Write to the queue by the SAS of *url* from here on; raise PermanentError."""
        if url != self._url:
            self._queue = queue_client(url)
            self._url = url

    def send(self, event: Event, job_id: JobId = NO_JOB) -> None:
        """Send *event*; raise TransientError, and it may have arrived all the same."""
        header = Header("event", self._settings.worker_id, job_id, self._numbers.next())
        text = seal(self._key, header, write_message(event))
        with _translated("sending an event"):
            # -1 never expires: an appliance that was down for a week finds what happened.
            lives_s = PASSING_EVENT_S if isinstance(event, Passing) else -1
            self._queue.send_message(text, time_to_live=lives_s)


def queue_client(url: str) -> QueueClient:
    """Return a client for the queue at *url*, which carries its SAS; raise PermanentError."""
    try:
        if not _WAY.fullmatch(url):
            raise ValueError("no URL of a queue")
        return QueueClient.from_queue_url(
            url,
            api_version=SERVICE_VERSION,
            retry_total=1,
            transport=connections(
                connection_timeout=10, read_timeout=30, connection_verify=ca_file() or True
            ),
        )
    except ValueError:  # its text may hold the URL
        raise PermanentError("a way to a queue that is none", reason="BadMessage") from None


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Turn Azure's errors into ours: all may pass, since queues and rights may come later."""
    try:
        yield
    except AzureError as error:
        said = str(translated(doing, error))
        if code_of(error) in {"MessageNotFound", "PopReceiptMismatch"}:
            raise LeaseLost(said) from None
        raise TransientError(said) from None
