"""The targets of a restore job: of one kind, none twice, each one that a point could name."""

from __future__ import annotations

import pytest
from msgspec import to_builtins
from msgspec.json import encode
from msgspec.structs import replace

from tests.unit.protocol.sample_messages import HEADER, KEY, MANIFEST, attached, restore_job, target
from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import DiskToRestore, read_job, sealed_job
from vmbackup_core.protocol.bounds import JOB_BYTES
from vmbackup_core.protocol.limits import HEALED_PACKS


@pytest.mark.at_length
def test_the_largest_restore_job_fits_a_blob() -> None:
    sealed = sealed_job(KEY, HEADER, restore_job(65, healed=HEALED_PACKS))

    assert sealed.blob is not None
    assert len(sealed.blob) < JOB_BYTES


ODD_TARGETS = {
    "no whole pages": {"targetBytes": 2**40 + 1},
    "shorter than the disk": {"targetBytes": 2**40 - 512},
    "of another kind of manifest": {"manifest": MANIFEST.replace("/m/", "/k/")},
    "of slot 0": {"slot": 0},
    "more healing packs than a disk may name": {
        "healed": to_builtins(target(0, HEALED_PACKS + 1).healed)
    },
    "behind a URL and at a LUN": {"targetLun": 0},
    "behind no URL, at no LUN": {"targetUrl": None},
    "at a LUN that no VM has": {"targetUrl": None, "targetLun": 64},
    "more than is known of one": {"more": 1},
}


@pytest.mark.parametrize("odd", ODD_TARGETS.values(), ids=ODD_TARGETS)
def test_a_disk_to_restore_that_no_point_could_name_is_refused(odd: dict[str, object]) -> None:
    message = to_builtins(restore_job(1))
    message["disks"][0] |= odd

    with pytest.raises(PermanentError) as bad:
        read_job(encode(message))
    assert bad.value.reason == "BadMessage"


@pytest.mark.parametrize(
    "two",
    [
        [target(0), replace(target(1), disk_id=target(0).disk_id.upper())],
        [target(0), replace(target(1), target_url=target(0).target_url)],
        [attached(0), replace(attached(1), target_lun=0)],
    ],
    ids=["disk", "URL", "LUN"],
)
def test_a_target_that_is_there_twice_is_refused(two: list[DiskToRestore]) -> None:
    with pytest.raises(ValueError, match="twice"):
        replace(restore_job(), disks=two)


def test_targets_of_one_job_are_of_one_kind() -> None:
    with pytest.raises(ValueError, match="some targets are behind a URL, others at a LUN"):
        replace(restore_job(), disks=[target(0), attached(1)])
