"""What may come over the wire is what the cluster's status takes: neither more, nor less."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.inspect import IntType, LiteralType, StrType, Type, UnionType

from vmbackup_core.protocol import REASONS, DiskDone, DiskRestored, Failed, Progress
from vmbackup_core.protocol.bounds import MOST, WORKER_CHARS
from vmbackup_core.protocol.limits import DISKS, FAILURE_CHARS
from vmbackup_core.repository.data.said import Statistics

CRD = Path(__file__).parents[3] / "crds/backupsessions.yaml"
INT64 = (0, 2**63 - 1)


def status(*path: str) -> Mapping[str, Any]:
    """Return the schema of a field of a BackupSession's status."""
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in ("status", *path):
        schema = schema.get("items", schema)["properties"][name]
    return dict(schema)


def on_the_wire(message: type[msgspec.Struct], field: str) -> Type:
    found = msgspec.inspect.type_info(message)
    assert isinstance(found, msgspec.inspect.StructType)
    return next(each.type for each in found.fields if each.name == field)


@pytest.mark.parametrize(
    ("message", "field", "path"),
    [
        (Progress, "bytes_to_read", ("progress", "bytesToRead")),
        (Progress, "bytes_read", ("progress", "bytesRead")),
        (Progress, "bytes_stored", ("progress", "bytesStored")),
    ],
)
def test_a_number_on_the_wire_is_one_that_the_status_takes(
    message: type[msgspec.Struct], field: str, path: tuple[str, ...]
) -> None:
    wire, schema = on_the_wire(message, field), status(*path)

    assert isinstance(wire, IntType)
    assert schema["format"] == "int64"
    assert wire.ge == schema["minimum"]
    assert wire.le == schema.get("maximum", MOST)


def test_the_disks_totals_are_what_the_status_takes_and_add_up_within_an_int64() -> None:
    wire, schema = on_the_wire(Statistics, "read_bytes"), status("disks", "readBytes")

    assert isinstance(wire, IntType)
    assert wire.ge == schema["minimum"]
    assert wire.le is not None
    assert wire.le <= schema.get("maximum", MOST)
    assert DISKS * wire.le <= MOST


def test_a_failure_fits_the_status() -> None:
    reason, message = on_the_wire(Failed, "reason"), on_the_wire(Failed, "message")

    assert isinstance(reason, LiteralType)
    assert isinstance(message, StrType)
    longest = status("worker", "failure", "reason")["maxLength"]
    assert max(len(word) for word in REASONS) <= longest
    assert (
        message.max_length == FAILURE_CHARS <= status("worker", "failure", "message")["maxLength"]
    )


def test_as_many_disks_as_the_status_holds() -> None:
    assert status("disks")["maxItems"] == DISKS


@pytest.mark.at_length
def test_a_worker_and_its_numbers_fit_the_status() -> None:
    assert status("worker", "id")["maxLength"] == WORKER_CHARS
    for field in ("jobSequence", "failedSequence", "lastEventSequence", "lastWorkerSequence"):
        assert (status("worker", field)["minimum"], status("worker", field)["format"]) == (
            INT64[0],
            "int64",
        )


def test_every_bounded_field_of_an_event_is_bounded_on_both_sides() -> None:
    """No number and no text of an event is without an end."""
    for message in (Progress, DiskDone, DiskRestored, Statistics, Failed):
        for field in msgspec.structs.fields(message):
            wire = on_the_wire(message, field.name)
            parts = wire.types if isinstance(wire, UnionType) else (wire,)
            for part in parts:
                if isinstance(part, IntType):
                    assert part.ge is not None, field
                    assert part.le is not None, field
                if isinstance(part, StrType):
                    assert part.max_length or part.pattern, field
