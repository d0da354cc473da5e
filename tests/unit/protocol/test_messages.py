"""Payloads: written and read, refused where they are unknown, silent about secrets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.protocol.sample_messages import (
    HEADER,
    JOB,
    KEY,
    LAUNCH,
    STARTED,
    WORKER,
    archive_job,
    archived,
    done,
    incremental,
    job,
    restore_job,
    restored,
    rewind_job,
    rewound,
    target,
    to_archive,
    verified,
    verify_job,
)
from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import (
    EVENT_KINDS,
    JOB_KINDS,
    BackupResult,
    Done,
    Event,
    Failed,
    Fallback,
    Header,
    Heartbeat,
    Hello,
    Job,
    Overflow,
    Progress,
    RefusedMessage,
    Shutdown,
    UnknownKind,
    failure,
    fits,
    kinds_of,
    opened,
    opened_results,
    read_event,
    read_job,
    results_blob,
    seal,
    sealed_job,
    sealed_pointer,
    sealed_results,
    unseal,
    write_message,
)
from vmbackup_core.protocol.limits import TOLD_OFFSETS
from vmbackup_core.repository.data.verify_told import TOLD_MOST


@pytest.mark.parametrize(
    "message",
    [job(2), restore_job(), rewind_job(), archive_job(), verify_job(), Shutdown(JOB)],
    ids=["backup", "restore", "rewind", "archive", "verify", "shutdown"],
)
def test_a_job_reads_as_it_was_written(message: Job) -> None:
    assert read_job(write_message(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Hello(WORKER, LAUNCH, "0.1.0", "0" * 16, "3.10.12", STARTED),
        Heartbeat(WORKER, LAUNCH, "0.1.0", "0" * 16, "3.10.12", STARTED, JOB),
        Progress(JOB, 3, 10, 5, 2, "disk"),
        done(2),
        Done(JOB, 3, BackupResult([incremental(1)])),
        restored(2),
        rewound(2),
        archived(2),
        verified(lost=3, offsets=4),
        Failed(JOB, 3, "ExportRefused", "no", transient=True, disk_id=None),
    ],
    ids=[
        "hello",
        "heartbeat",
        "progress",
        "done",
        "incremental",
        "restored",
        "rewound",
        "archived",
        "verified",
        "failed",
    ],
)
def test_an_event_reads_as_it_was_written(message: Event) -> None:
    assert read_event(write_message(message)) == message


def test_a_kind_that_is_not_known_is_named() -> None:
    with pytest.raises(UnknownKind, match="'unheard-of'"):
        read_job(b'{"kind":"unheard-of","whatever":1}')


@pytest.mark.parametrize("kind", ["repair"])
def test_a_kind_that_nobody_does_yet_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(PermanentError, match=kind) as refused:
        read_job(f'{{"kind":"{kind}","whatever":1}}'.encode())
    assert refused.value.reason == "NotSupported"


def test_the_kinds_are_those_of_the_document() -> None:
    text = (Path(__file__).parents[3] / "docs/worker-protocol.md").read_text()
    jobs, events = (
        re.findall("`([a-z]+)`", text.split(f"**{what} kinds**:")[1].split(".")[0])
        for what in ("Job", "Event")
    )

    assert tuple(jobs) == JOB_KINDS
    assert set(events) == EVENT_KINDS
    assert kinds_of(Job) < set(JOB_KINDS)


def test_an_event_is_no_job() -> None:
    with pytest.raises(UnknownKind, match="'hello'"):
        read_job(write_message(Hello(WORKER, LAUNCH, "0.1.0", "0", "3.10.12", STARTED)))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"kind":7}',
        b'{"kind":"shutdown"}',
        b'{"kind":"shutdown","jobId":"a","more":1}',
        b'{"kind":"backup","jobId":"a","runId":"b","disks":[],"repository":{"containerUrl":"c"}}',
    ],
)
def test_a_payload_that_is_no_message_is_a_bad_message(payload: bytes) -> None:
    with pytest.raises(PermanentError) as bad:
        read_job(payload)
    assert bad.value.reason == "BadMessage"


def test_no_secret_of_a_job_is_in_its_repr() -> None:
    text = repr(job(2)) + repr(job(2).disks[1]) + repr(verify_job()) + repr(verify_job().sample)
    text += repr(restore_job()) + repr(target(1)) + repr(archive_job()) + repr(to_archive(1))

    assert "sig=" not in text
    assert "kkkk" not in text


def test_a_failure_is_bounded_and_has_no_secret() -> None:
    url = "https://md-1.blob.storage.azure.net/x/y?sv=2018&sig=AbC%3D"
    told = failure(
        JOB,
        ValueError(f"GET {url} said {'no ' * 900}"),
        "ExportRefused",
        answers=3,
        transient=False,
    )

    assert len(told.message) == 1_000
    assert "AbC" not in told.message
    assert "https://md-1.blob.storage.azure.net/x/y" in told.message


def test_why_a_disk_was_read_whole_is_said_as_far_as_it_may_be_and_without_secrets() -> None:
    told = Fallback.of("DifferencesRefused", 'GET https://h/x?sig=AbC said "nö"\n' + "z" * 200)

    assert len(told.message) == 100
    assert told.message.startswith("GET https://h/x")
    assert "AbC" not in told.message
    assert '"' not in told.message


def test_the_largest_done_and_failed_fit_a_queue_message() -> None:
    # 260: ARM ids are bounded by names of 80 or 90 characters; this is longer than any.
    header = Header("event", WORKER, JOB, 2**62)
    failed = Failed(
        JOB, 2**62, "KeyRingIncomplete", "ü" * 1_000, transient=True, disk_id="d" * 1_000
    )

    assert fits(seal(KEY, header, write_message(done(65))))
    assert fits(seal(KEY, header, write_message(restored(65))))
    assert fits(seal(KEY, header, write_message(rewound(64))))
    assert fits(seal(KEY, header, write_message(verified(TOLD_MOST, TOLD_OFFSETS // TOLD_MOST))))
    assert fits(seal(KEY, header, write_message(failed)))


def test_a_small_job_goes_to_the_queue() -> None:
    sealed = sealed_job(KEY, HEADER, job(2))

    assert sealed.blob is None
    assert sealed.text is not None
    header, payload = unseal(KEY, sealed.text, direction="job", worker_id=WORKER)
    assert (header, read_job(payload)) == (HEADER, job(2))


def test_a_job_of_65_disks_goes_to_a_blob_that_a_sealed_message_points_to() -> None:
    sealed = sealed_job(KEY, HEADER, job(65))
    assert sealed.blob is not None
    text = sealed_pointer(
        KEY, HEADER, "https://home.blob.core.windows.net/jobs/1?sig=x", sealed.blob
    )

    assert sealed.text is None
    assert fits(text)
    header, payload = unseal(KEY, text, direction="job", worker_id=WORKER)
    pointer = read_job(payload)
    assert isinstance(pointer, Overflow)
    assert opened(KEY, header, pointer, sealed.blob) == job(65)


def test_a_blob_that_was_changed_or_belongs_to_another_message_is_refused() -> None:
    blob = sealed_job(KEY, HEADER, job(65)).blob
    other = sealed_job(KEY, Header("job", WORKER, JOB, 4), job(65)).blob
    assert blob is not None
    assert other is not None
    payload = unseal(
        KEY, sealed_pointer(KEY, HEADER, "https://x/y", blob), direction="job", worker_id=WORKER
    )[1]
    pointer = read_job(payload)
    assert isinstance(pointer, Overflow)

    with pytest.raises(RefusedMessage, match="blob"):
        opened(KEY, HEADER, pointer, blob[:-1])
    with pytest.raises(RefusedMessage):
        opened(KEY, HEADER, pointer, other)


HOSTILE = {
    "nested": b'{"kind":"hello","x":' + b"[" * 1_200 + b"]" * 1_200 + b"}",
    "nested and never closed": b'{"kind":"hello","x":' + b"[" * 40_000,
    "no UTF-8": b'{"kind":"failed","message":"\xff"}',
    "no UTF-8 kind": b'{"kind":"\xff"}',
    "half a surrogate": b'{"kind":"\\ud800"}',
    "a number beyond all": write_message(Progress(JOB, 3, 10, 5, 2)).replace(
        b'"bytesRead":5', b'"bytesRead":1' + b"0" * 30
    ),
    "one above an int64": write_message(Progress(JOB, 3, 10, 5, 2)).replace(
        b'"bytesRead":5', b'"bytesRead":9223372036854775808'
    ),
    "less than nothing": write_message(Progress(JOB, 3, 10, 5, 2)).replace(b":5,", b":-5,"),
    "a digest of 2,000 characters": write_message(done(1)).replace(b"d" * 64, b"d" * 2_000),
    "a digest with a line end": write_message(done(1)).replace(b"d" * 64, b"d" * 64 + b"\\n"),
    "the name of a commit": write_message(done(1)).replace(b"/m/00000/004", b"/k/00000/004"),
    "the name of a manifest and more": write_message(done(1)).replace(b"e" * 32, b"e" * 32 + b"/x"),
    "bytes of 65 disks that add up beyond an int64": write_message(done(1)).replace(
        b'"readBytes":1099511627776', b'"readBytes":9223372036854775807'
    ),
    "an outside beyond all disks": write_message(done(1)).replace(
        b'"changedOutside":4194304', b'"changedOutside":9223372036854775807'
    ),
    "infinite seconds": write_message(done(1)).replace(b"12345.678", b"1e999"),
    "one finding too many": write_message(verified(lost=200, offsets=0)).replace(
        b'"blocks":[', b'"blocks":[1'
    ),
    "one offset too many": write_message(verified(lost=20, offsets=50)).replace(
        b'"offsets":[', b'"offsets":[1,', 1
    ),
    "offsets of one pack beyond a bound": write_message(verified(lost=1, offsets=65)),
    "a block behind the largest disk": write_message(verified(lost=1, offsets=1)).replace(
        b'"differing":[', b'"differing":[17179869184,'
    ),
    "a pack that is none": write_message(verified(lost=1, offsets=1)).replace(
        b'"pack":"', b'"pack":"/'
    ),
    "damage of another kind": write_message(verified(lost=1, offsets=1)).replace(
        b'"what":"damaged"', b'"what":"stolen"'
    ),
    "more samples than are asked for": write_message(verified(lost=1, offsets=1)).replace(
        b'"sampled":250', b'"sampled":2001'
    ),
    "an incremental whose differences nobody got": write_message(
        Done(JOB, 3, BackupResult([incremental(1)]))
    ).replace(b',"changedBytes":536870912', b""),
    "an incremental that is a full": write_message(done(1)).replace(
        b'"fallback":', b'"read":"Incremental","fallback":'
    ),
    "a full that knows nothing of its pages": write_message(
        Done(JOB, 3, BackupResult([incremental(1)]))
    ).replace(b"Incremental", b"Full"),
    "a reason to fall back that is the operator's": write_message(done(1)).replace(
        b"PredecessorUnreadable", b"DiskReplaced"
    ),
    "why, in more words than an event has room for": write_message(done(1)).replace(
        b"x" * 100, b"x" * 101
    ),
    "why, in letters that take six bytes": write_message(done(1)).replace(
        b"x" * 100, b"\\u0001" * 100
    ),
    "66 disks": write_message(done(66)),
    "66 disks that were restored": write_message(restored(66)),
    "more than a disk can have": write_message(restored(1)).replace(
        b'"writtenBytes":1099511627776', b'"writtenBytes":9223372036854775807'
    ),
    "an outcome as a reason": write_message(
        Failed(JOB, 3, "ExportRefused", "no", transient=True)
    ).replace(b"ExportRefused", b"Cancelled"),
    "a reason that is none": write_message(
        Failed(JOB, 3, "ExportRefused", "no", transient=True)
    ).replace(b"ExportRefused", b"Whatever"),
    "an end without a result": b'{"kind":"done","jobId":"a","answers":1}',
    "an end with two results": write_message(done(1)).replace(
        b'"resultsBlob":null',
        b'"resultsBlob":{"name":"results/%s","sizeBytes":1,"sha256":"%s"}' % (b"0" * 32, b"0" * 64),
    ),
    "another launch than any": write_message(
        Hello(WORKER, LAUNCH, "0.1.0", "0" * 16, "3.10.12", STARTED)
    ).replace(LAUNCH.encode(), b"0" * 31),
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_what_no_status_could_hold_is_a_bad_message(payload: bytes) -> None:
    with pytest.raises(PermanentError) as bad:
        read_event(payload)
    assert bad.value.reason == "BadMessage"


def test_brackets_within_texts_are_no_depth() -> None:
    told = Failed(JOB, 3, "ExportRefused", "[" * 500 + '\\"{', transient=True)

    assert read_event(write_message(told)) == told


def test_results_in_a_blob_open_by_the_end_that_names_them_only() -> None:
    header, other = Header("event", WORKER, JOB, 9), Header("event", WORKER, JOB, 10)
    result = done(65).result
    assert result is not None
    blob = sealed_results(KEY, header, result)
    named = results_blob("results/" + "0" * 32, blob)

    assert opened_results(KEY, header, named, blob) == result
    with pytest.raises(RefusedMessage):
        opened_results(KEY, other, named, blob)
    with pytest.raises(RefusedMessage):
        opened_results(KEY, header, named, blob[:-1])
    with pytest.raises(RefusedMessage):
        unseal(KEY, blob.decode(), direction="event", worker_id=WORKER)


def test_a_reason_without_a_word_of_the_list_is_the_agents_error_and_said_in_the_message() -> None:
    told = failure(JOB, ValueError("no"), "Skipped", answers=1, transient=False)

    assert (told.reason, told.message) == ("AgentError", "Skipped: no")
