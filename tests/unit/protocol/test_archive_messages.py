"""Archive jobs: they fit, and ask for nothing that an archive set must not share."""

from __future__ import annotations

import pytest
from msgspec import to_builtins
from msgspec.json import decode, encode
from msgspec.structs import replace

from tests.unit.protocol.sample_messages import HEADER, KEY, archive_job, grant, to_archive
from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import read_job, sealed_job, write_message
from vmbackup_core.protocol.bounds import JOB_BYTES
from vmbackup_core.protocol.limits import HEALED_PACKS
from vmbackup_core.repository.data.grants import MOST_LEFT


@pytest.mark.at_length
def test_the_largest_archive_job_fits_a_blob() -> None:
    sealed = sealed_job(KEY, HEADER, archive_job(65, healed=HEALED_PACKS, left=MOST_LEFT))

    assert sealed.blob is not None
    assert len(sealed.blob) < JOB_BYTES


ODD_GRANTS = {
    "of a backup": {"purpose": 0},
    "with deltas": {"deltas": True},
    "on a manifest before": {"newest": to_builtins(grant(0).newest)},
    "on a base": {"base": to_builtins(grant(0).base)},
    "of another run": {"runId": "f" * 32},
}


@pytest.mark.parametrize("odd", ODD_GRANTS.values(), ids=ODD_GRANTS)
def test_a_grant_that_would_share_with_another_set_is_refused(odd: dict[str, object]) -> None:
    message = decode(write_message(archive_job(1)))
    message["disks"][0]["grant"] |= odd

    with pytest.raises(PermanentError) as bad:
        read_job(encode(message))
    assert bad.value.reason == "BadMessage"


def test_a_disk_that_is_archived_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        replace(archive_job(), disks=[to_archive(0), to_archive(0)])
