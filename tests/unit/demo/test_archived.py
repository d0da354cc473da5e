"""What the demo says of its archive holds on a good journal, and fails on one that falls short."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tools.demo import archived
from tools.demo.archived import ArchiveAlone
from tools.demo.disks import CommandLine, restored_file
from tools.demo.journal import Entry
from tools.local_cloud.installation import example, example_settings
from tools.local_cloud.seed import SeededDisk
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession

HOST = "backups.blob.core.windows.net"
WORKER = "/subscriptions/s/virtualMachines/vmb-w-1"
OTHER = "/subscriptions/s/virtualMachines/vmb-w-2"
HERE = "westeurope"
PACK, COPY = "/vm-backups/c/1/p/00000/001/2", "/vm-archives/c/2/p/00000/001/3"


def entry(  # noqa: PLR0913 - a request has these parts
    method: str,
    path: str,
    *,
    caller: str = WORKER,
    received: int = 0,
    sent: int = 0,
    query: str = "",
    host: str = HOST,
) -> Entry:
    return Entry(0, "blob", caller, method, host, path, query, 201, received, sent)


GOOD = [
    entry("GET", PACK, sent=100),
    entry("PUT", COPY, received=80),
    entry("GET", COPY, sent=79),
    entry("GET", PACK, caller=OTHER, sent=7),
    entry("PUT", "/vm-archives-control/l/1", caller="appliance", received=9),
    entry("PUT", "/jobs/messages", host="queues", received=3),
]
MADE = archived.copying(GOOD, HOST)


def session(outcome: str = "Succeeded", **archive: object) -> Any:
    said = {"tier": "Cold", "verifiedBytes": 79, "chargedUntil": "2027-02-25T12:00:00Z", **archive}
    status = {"outcome": outcome, "archive": said, "completionTime": "2026-11-27T12:00:05Z"}
    return {"metadata": {"name": "archive-it"}, "status": status}


def test_only_what_the_archives_worker_asked_of_the_account_is_counted() -> None:
    assert archived.copying(GOOD, HOST) == archived.Copying(
        workers=frozenset({WORKER}), requests=3, read=100, stored=80, read_back=79
    )


def test_a_good_journal_has_no_complaints() -> None:
    assert list(archived.copied_by_one_worker_in(HERE, MADE, lambda _: HERE)) == []
    assert list(archived.its_worker_reads_by_name_and_creates(GOOD, MADE, HOST)) == []
    assert list(archived.not_read_back(session(), MADE)) == []


def test_a_worker_elsewhere_and_a_second_one_are_told() -> None:
    two = archived.copying([*GOOD, entry("PUT", COPY, caller=OTHER)], HOST)

    assert list(archived.copied_by_one_worker_in(HERE, MADE, lambda _: "northeurope")) == [
        f"{WORKER} ran in northeurope"
    ]
    assert len(list(archived.copied_by_one_worker_in(HERE, two, lambda _: HERE))) == 1
    none = archived.copying([], HOST)
    assert len(list(archived.copied_by_one_worker_in(HERE, none, lambda _: HERE))) == 1


@pytest.mark.parametrize(
    "asked",
    [
        entry("GET", "/vm-backups", query="restype=container&comp=list"),
        entry("DELETE", COPY),
        entry("GET", "/vm-backups-control/v/1"),
    ],
    ids=["list", "delete", "control"],
)
def test_what_an_archives_worker_may_not_ask_is_told(asked: Entry) -> None:
    found = archived.its_worker_reads_by_name_and_creates([*GOOD, asked], MADE, HOST)

    assert len(list(found)) == 1


@pytest.mark.parametrize(
    ("said", "made"),
    [
        (session("Failed"), MADE),
        (session(tier="Hot"), MADE),
        (session(verifiedBytes=0), MADE),
        (session(), archived.copying(GOOD[:2], HOST)),
    ],
    ids=["failed", "another tier", "says nothing", "nothing read back"],
)
def test_a_copy_that_was_not_read_back_is_told(said: Any, made: archived.Copying) -> None:
    assert len(list(archived.not_read_back(said, made))) == 1


def test_the_figures_say_where_how_much_and_what_deleting_costs() -> None:
    heading, row = archived.figures(session(), HERE, MADE).splitlines()

    assert heading.split()[:3] == ["Archive", "Worker", "in"]
    assert row.split() == [
        "archive-it",
        "westeurope",
        "3",
        "100",
        "B",
        "80",
        "B",
        "79",
        "B",
        "90",
        "days",
    ]


def test_what_is_created_is_what_the_crds_take_and_the_settings_allow() -> None:
    made = archived.repository(datetime(2026, 11, 27, 18, tzinfo=UTC))
    repository = msgspec.convert(made, BackupRepository)
    asked = msgspec.convert(archived.session_of("web-01-1"), BackupSession)

    assert repository.spec.tier == "Cold"
    assert repository.spec.region == example("repository.yaml")["spec"]["region"]
    assert made["spec"]["upkeep"]["schedule"] == "0 6 * * *"
    tenancy = example_settings()["tenancy"][0]
    assert repository.spec.storage_account_id in tenancy["storageAccounts"]
    assert asked.spec.archive is not None
    assert (asked.spec.type, asked.spec.stored_in.name) == ("Archive", "archives")
    assert asked.spec.archive.recovery_point_ref.name == "web-01-1"


def test_a_disk_that_the_archive_gives_back_otherwise_is_told(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_bytes(bytes(8192))
    disk = SeededDisk(id="/disks/os", name="os", path=held, size_bytes=8192, lun=None)
    line = CommandLine("https://a/vm-archives", tmp_path / "key", {})
    alone = ArchiveAlone(line, tmp_path, "1e5089f8", [disk])

    assert alone.differences() == ["os was not restored"]

    restored_file(disk, tmp_path).write_bytes(bytes(8192))
    assert alone.differences() == []

    restored_file(disk, tmp_path).write_bytes(bytes(8191) + b"!")
    assert len(alone.differences()) == 1
