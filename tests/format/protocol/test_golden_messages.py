"""Messages that an earlier version sealed open for ever; golden files are added, never edited."""

from __future__ import annotations

import base64
from pathlib import Path

from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import Header, Progress, read_event, seal, unseal, worker_key

GOLDEN = Path(__file__).with_name("sealed-1-progress.json")
WORKER = WorkerId("w-0123abcd-1")
KEY = worker_key(bytes(range(32)), WORKER)
HEADER = Header("event", WorkerId("w-0123abcd-1"), JobId("0123abcd-backup"), 7)
PAYLOAD = (
    b'{"kind":"progress","jobId":"0123abcd-backup","bytesToRead":10,'
    b'"bytesRead":5,"bytesStored":2,"disk":"d"}'
)
PROGRESS = Progress(JobId("0123abcd-backup"), 10, 5, 2, "d")


def test_the_worker_key_is_derived_as_in_version_1() -> None:
    assert base64.b64decode(KEY.to_text()).hex() == (
        "a707c362abea8b0da841a7e7b70e2d2ae8a90de65e7e7e825e2f5717d13f60d3"
    )


def test_the_golden_message_opens() -> None:
    text = GOLDEN.read_text("ascii").rstrip("\n")

    header, payload = unseal(KEY, text, direction="event", worker_id=WORKER)
    assert header == HEADER
    assert read_event(payload) == PROGRESS


def test_sealing_gives_the_golden_bytes() -> None:
    assert seal(KEY, HEADER, PAYLOAD, nonce=bytes(12)) + "\n" == GOLDEN.read_text("ascii")
