"""A job as it is sent: in the queue, or in a blob with a pointer to it in the queue."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from vmbackup_core.protocol.messages import Job, JobOrPointer, Overflow, read_job, write_message
from vmbackup_core.protocol.sealing import Header, RefusedMessage, WorkerKey, fits, seal, unseal


@dataclass(frozen=True, slots=True)
class SealedJob:
    """What to send: *text* to the queue; or, where that is None, *blob* first and its pointer."""

    text: str | None
    blob: bytes | None


def sealed_job(key: WorkerKey, header: Header, job: Job) -> SealedJob:
    """Return *job* ready to send; where it has a blob, `sealed_pointer` makes the queue's text."""
    payload = write_message(job)
    text = seal(key, header, payload)
    if fits(text):
        return SealedJob(text, None)
    return SealedJob(None, seal(key, header, payload, place="blob").encode("ascii"))


def sealed_pointer(key: WorkerKey, header: Header, url: str, blob: bytes) -> str:
    """Return the queue's text that points to *blob*, readable at *url* by its SAS."""
    pointer = Overflow(url, len(blob), hashlib.sha256(blob).hexdigest())
    return seal(key, header, write_message(pointer))


def opened(key: WorkerKey, header: Header, pointer: Overflow, blob: bytes) -> JobOrPointer:
    """Return the job in the *blob* that the message of *header* points to; raise RefusedMessage."""
    digest = hashlib.sha256(blob).hexdigest()
    if len(blob) != pointer.size_bytes or digest != pointer.sha256:
        raise RefusedMessage("Altered", f"blob of {len(blob)} bytes is not the one pointed to")
    text = blob.decode("ascii", errors="replace")
    inner, payload = unseal(
        key, text, direction=header.direction, worker_id=header.worker_id, place="blob"
    )
    if inner != header:
        raise RefusedMessage("Altered", "blob of another message")
    return read_job(payload)
