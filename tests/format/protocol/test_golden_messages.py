"""Messages that an earlier version sealed open for ever; golden files are added, never edited.

`sealed-3.jsonl` holds a sealed message of every kind, `payloads-3.jsonl` the payloads in them, in
the same order; the first line of each is of an overflow blob.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from vmbackup_core.ids import JobId, LaunchNonce, WorkerId
from vmbackup_core.protocol import (
    EVENT_KINDS,
    Event,
    Header,
    JobOrPointer,
    Result,
    kinds_of,
    launch_key,
    read_event,
    read_job,
    read_result,
    seal,
    unseal,
    write_message,
)
from vmbackup_core.protocol.sealing import Place

FOLDER = Path(__file__).parent
WORKER = WorkerId("w-0123abcd-1")
KEY = launch_key(bytes(range(32)), WORKER, LaunchNonce("00112233445566778899aabbccddeeff"))
PAYLOADS = (FOLDER / "payloads-3.jsonl").read_text("utf-8").splitlines()
SEALED = (FOLDER / "sealed-3.jsonl").read_text("ascii").splitlines()
#: What the envelope of each line says beside the payload: direction, job, number, place.
LINES = [tuple(json.loads(line)) for line in (FOLDER / "lines-3.jsonl").read_text().splitlines()]


def test_the_launch_key_is_derived_as_in_version_2() -> None:
    assert base64.b64decode(KEY.to_text()).hex() == (FOLDER / "key-2.hex").read_text().strip()


@pytest.mark.parametrize("number", range(len(SEALED)))
def test_a_golden_message_opens_and_is_sealed_again_to_the_same_bytes(number: int) -> None:
    direction, job, sequence, place = LINES[number]
    header = Header(direction, WORKER, JobId(job), sequence)

    opened = unseal(KEY, SEALED[number], direction=direction, worker_id=WORKER, place=place)
    assert opened == (header, PAYLOADS[number].encode())
    again = seal(KEY, header, opened[1], place=place, nonce=bytes(11) + bytes([number]))
    assert again == SEALED[number]


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_a_golden_payload_is_read_and_written_as_it_was(number: int) -> None:
    direction, _, _, place = LINES[number]
    payload = PAYLOADS[number].encode()

    assert write_message(_read(direction, place, payload)) == payload


def _read(direction: str, place: Place, payload: bytes) -> JobOrPointer | Event | Result:
    if place == "results":
        return read_result(payload)
    return read_job(payload) if direction == "job" else read_event(payload)


def test_there_is_a_golden_message_of_every_kind() -> None:
    kinds = {json.loads(payload)["kind"] for payload in PAYLOADS}

    assert kinds == kinds_of(JobOrPointer) | EVENT_KINDS
