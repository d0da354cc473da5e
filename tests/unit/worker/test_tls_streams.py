"""Exports and uploads over TLS: whole answers, ones that end early, and who is not trusted."""

from __future__ import annotations

import random
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.unit.worker.export_host import ExportHost, export_host
from tests.unit.worker.upload_host import upload_host
from vmbackup_core.errors import TransientError
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import Renewable
from vmbackup_worker.connections import Waits
from vmbackup_worker.page_blob import ExportPool
from vmbackup_worker.source import Export
from vmbackup_worker.upload_target import UploadTarget

MIB = 1024 * 1024
NAME = "127.0.0.1"
DISK = random.Random(1).randbytes(6 * MIB)  # noqa: S311 - content, no secret

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def server_context(
    authority: trustme.CA, name: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """One that workers trust."""
    made = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(ca_file))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    return made


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def host(authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[ExportHost]:
    context = server_context(authority, NAME, request.param)
    with export_host(DISK, [(0, len(DISK) - 1)], context) as made:
        yield made


@pytest.fixture
def pool(authority: trustme.CA) -> Iterator[ExportPool]:
    del authority  # is trusted by now
    made = ExportPool(2, Waits(connect_s=10, silence_s=1, answer_s=60))
    yield made
    made.clear()


def reader(host: ExportHost, pool: ExportPool, attempts: int = 4) -> Export:
    patience = Patience(attempts=attempts, pause=lambda _seconds: None)
    return Export(
        "disk",
        Renewable(host.url),
        len(DISK),
        pool,
        threading.Event(),
        renewal_s=0.05,
        patience=patience,
    )


def read(export: Export, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    export.read_into(offset, memoryview(buffer))
    return bytes(buffer)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_pages_go_out_as_they_are_over_one_connection(
    authority: trustme.CA, pool: ExportPool, version: ssl.TLSVersion
) -> None:
    with upload_host(len(DISK), server_context(authority, NAME, version)) as host:
        way = Renewable(host.url)
        target = UploadTarget("disk", way, pool, threading.Event(), renewal_s=0.05)
        for start in range(0, len(DISK), 3 * MIB):
            pieces = [
                DISK[at : at + 256 * 1024] for at in range(start, start + 3 * MIB, 256 * 1024)
            ]
            target.write(start, pieces)
        pool.clear()

        assert host.disk == DISK
        assert len(host.connections) == 1


def test_one_connection_serves_long_answers_and_short_ones(
    host: ExportHost, pool: ExportPool
) -> None:
    export = reader(host, pool)

    assert read(export, 0, len(DISK)) == DISK
    for offset in range(512, 16 * 512, 512):
        assert read(export, offset, 512) == DISK[offset : offset + 512]
    assert export.allocated().listed_bytes == len(DISK)
    assert len(host.connections) == 1


@pytest.mark.parametrize("fault", [503, "cut", "hang up", "stall", "short", "long", "chunked"])
def test_a_passing_fault_is_asked_through(
    host: ExportHost, pool: ExportPool, fault: int | str
) -> None:
    host.faults = [fault, fault]

    assert read(reader(host, pool), 0, MIB) == DISK[:MIB]


def test_an_answer_that_ends_early_is_never_taken(host: ExportHost, pool: ExportPool) -> None:
    host.faults = ["cut"]

    with pytest.raises(TransientError, match="disk: 524288 of 1048576 bytes came"):
        read(reader(host, pool, attempts=1), 0, MIB)


def test_a_connection_that_the_host_has_closed_meanwhile_is_no_failure(
    host: ExportHost, pool: ExportPool
) -> None:
    export = reader(host, pool, attempts=1)
    read(export, 0, 512)
    host.faults = ["hang up"]

    assert read(export, 0, 4096) == DISK[:4096]
    assert len(host.connections) == 2


def test_who_is_not_trusted_is_asked_for_nothing(pool: ExportPool) -> None:
    with (
        export_host(DISK, [], server_context(trustme.CA(), NAME)) as host,
        pytest.raises(TransientError, match="disk: SSLCertVerificationError"),
    ):
        read(reader(host, pool, attempts=1), 0, 512)
    assert not host.connections


def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, pool: ExportPool) -> None:
    with (
        export_host(DISK, [], server_context(authority, "127.0.0.2")) as host,
        pytest.raises(TransientError, match="disk: SSLCertVerificationError"),
    ):
        read(reader(host, pool, attempts=1), 0, 512)
    assert not host.connections
