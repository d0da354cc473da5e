"""What is too large for a queue: a job or a result in a blob, and the pointer to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from vmbackup_core.protocol.messages import (
    Job,
    JobOrPointer,
    Overflow,
    Result,
    ResultsBlob,
    read_job,
    read_result,
    write_message,
)
from vmbackup_core.protocol.sealing import (
    Header,
    LaunchKey,
    Place,
    RefusedMessage,
    fits,
    seal,
    unseal,
)


@dataclass(frozen=True, slots=True)
class SealedJob:
    """What to send: *text* to the queue; or, where that is None, *blob* first and its pointer."""

    text: str | None
    blob: bytes | None


def sealed_job(key: LaunchKey, header: Header, job: Job) -> SealedJob:
    """Return *job* ready to send; where it has a blob, `sealed_pointer` makes the queue's text."""
    payload = write_message(job)
    text = seal(key, header, payload)
    if fits(text):
        return SealedJob(text, None)
    return SealedJob(None, seal(key, header, payload, place="blob").encode("ascii"))


def sealed_pointer(key: LaunchKey, header: Header, url: str, blob: bytes) -> str:
    """Return the queue's text that points to *blob*, readable at *url* by its SAS."""
    pointer = Overflow(url, len(blob), hashlib.sha256(blob).hexdigest())
    return seal(key, header, write_message(pointer))


def opened(key: LaunchKey, header: Header, pointer: Overflow, blob: bytes) -> JobOrPointer:
    """Return the job in the *blob* that the message of *header* points to; raise RefusedMessage."""
    return read_job(_payload(key, header, pointer, blob, "blob"))


def sealed_results(key: LaunchKey, header: Header, result: Result) -> bytes:
    """Return *result* as the blob that the `Done` of *header* is to name."""
    return seal(key, header, write_message(result), place="results").encode("ascii")


def results_blob(name: str, blob: bytes) -> ResultsBlob:
    """Return what names the *blob* of results, stored as *name*."""
    return ResultsBlob(name, len(blob), hashlib.sha256(blob).hexdigest())


def opened_results(key: LaunchKey, header: Header, named: ResultsBlob, blob: bytes) -> Result:
    """Return the result in the *blob* that the `Done` of *header* names; raise RefusedMessage."""
    return read_result(_payload(key, header, named, blob, "results"))


def _payload(
    key: LaunchKey, header: Header, named: Overflow | ResultsBlob, blob: bytes, place: Place
) -> bytes:
    digest = hashlib.sha256(blob).hexdigest()
    if len(blob) != named.size_bytes or digest != named.sha256:
        raise RefusedMessage("Altered", f"blob of {len(blob)} bytes is not the one pointed to")
    text = blob.decode("ascii", errors="replace")
    inner, payload = unseal(
        key, text, direction=header.direction, worker_id=header.worker_id, place=place
    )
    if inner != header:
        raise RefusedMessage("Altered", "blob of another message")
    return payload
