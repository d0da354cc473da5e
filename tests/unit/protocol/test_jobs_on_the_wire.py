"""Jobs at their bounds: the largest is read, and what nobody could do is refused."""

from __future__ import annotations

import pytest

from tests.unit.protocol.sample_messages import HEADER, KEY, RUN, SCOPE, WORKER, job
from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import (
    SAMPLE_BLOCKS,
    Overflow,
    opened,
    read_job,
    sealed_job,
    sealed_pointer,
    unseal,
    write_message,
)
from vmbackup_core.protocol.bounds import JOB_BYTES
from vmbackup_core.repository.data.grants import MOST_LEFT

WRONG_JOBS = {
    "a base, and no export of its snapshot": write_message(job(1)).replace(
        b'"predecessorUrl":"https://md-abd.z1.blob.storage.azure.net/x/ab?sig=%s"' % (b"t" * 200),
        b'"predecessorUrl":null',
    ),
    "a sample that is a second read": write_message(job(1)).replace(
        b'"predecessorUrl"', b'"sampleBlocks":1001,"predecessorUrl"'
    ),
    "an unknown field": write_message(job(1)).replace(b'"chainId":', b'"chain":1,"chainId":'),
    "a grant with an unknown field": write_message(job(1)).replace(b'"slot":', b'"more":1,"slot":'),
    "a bad object with an unknown field": write_message(job(1)).replace(
        b'"object":"pack"', b'"object":"pack","more":1'
    ),
    "no keys": write_message(job(1)).replace(b"k" * 400, b""),
    "keys without an end": write_message(job(1)).replace(b"k" * 400, b"k" * 65_537),
    "a slot that no commit has": write_message(job(1)).replace(b'"slot":5', b'"slot":2147483648'),
    "a time that is none": write_message(job(1)).replace(b"T21:00:00.000017Z", b"T21:00:00Z"),
    "one session too many": write_message(job(1, MOST_LEFT + 1)),
    "a disk that no event could name": write_message(job(1)).replace(
        SCOPE.encode() + b"/providers/Microsoft.Compute/disks", b"d" * 1_000
    ),
    "the same disk twice": write_message(job(2)).replace(b"data-1", b"data-0"),
    "a grant of another run": write_message(job(1)).replace(
        b'"runId":"%s","slot"' % RUN.encode(), b'"runId":"%s","slot"' % (b"9" * 32)
    ),
}


@pytest.mark.parametrize("payload", WRONG_JOBS.values(), ids=WRONG_JOBS)
def test_a_job_that_nobody_could_do_is_a_bad_message_and_shows_no_secret(payload: bytes) -> None:
    with pytest.raises(PermanentError) as bad:
        read_job(payload)
    assert bad.value.reason == "BadMessage"
    assert "kkk" not in str(bad.value)
    assert "sig=" not in str(bad.value)


def test_fields_that_manifests_may_have_one_day_are_passed_over() -> None:
    later = write_message(job(1)).replace(b'"lun":0', b'"lun":0,"later":[1]')

    assert read_job(later) == job(1)


def test_a_sample_that_is_not_spoken_of_is_the_usual_one() -> None:
    payload = write_message(job(1))

    assert b"sampleBlocks" not in payload
    assert job(1).disks[0].sample_blocks == SAMPLE_BLOCKS


@pytest.mark.at_length
def test_the_largest_job_fits_its_blob() -> None:
    largest = job(65, MOST_LEFT)
    sealed = sealed_job(KEY, HEADER, largest)
    assert sealed.blob is not None
    assert len(sealed.blob) < JOB_BYTES
    pointer = read_job(
        unseal(
            KEY,
            sealed_pointer(KEY, HEADER, "https://x/y", sealed.blob),
            direction="job",
            worker_id=WORKER,
        )[1]
    )
    assert isinstance(pointer, Overflow)

    assert opened(KEY, HEADER, pointer, sealed.blob) == largest
