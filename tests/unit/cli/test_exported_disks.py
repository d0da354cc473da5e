"""A snapshot's export as repair reads it: by ranges, with its SAS shown nowhere."""

from __future__ import annotations

import pytest

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_operator.services.exported_disk import ExportedDisk, export_address

URL = "https://md-abc.z12.blob.storage.azure.net/c0ffee/abcd?sv=2018-03-28&sr=b&sig=c2VjcmV0"


def test_the_address_is_a_container_with_the_sas_and_a_blob() -> None:
    url, name = export_address(URL)

    assert name == "abcd"
    assert url == URL.replace("/abcd", "")


@pytest.mark.parametrize(
    "url",
    [
        URL.replace("https", "http"),
        URL.replace("sig", "gis"),
        URL.replace("/abcd", ""),
        URL.replace("/abcd", "/ab/cd"),
        URL.replace("/abcd", "/"),
        "",
        "https://[",
    ],
)
def test_what_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(PermanentError, match="no https URL") as refused:
        export_address(url)

    assert refused.value.reason == "InvalidSas"
    assert "c2VjcmV0" not in str(refused.value)


def test_ranges_are_read_and_an_end_too_early_is_said() -> None:
    store = MemoryStore()
    store.put_new("abcd", bytes(range(256)))
    disk = ExportedDisk(store, "abcd")
    part = bytearray(6)

    disk.read_into(10, memoryview(part))

    assert (disk.size_bytes(), bytes(part)) == (256, bytes(range(10, 16)))
    with pytest.raises(PermanentError, match="ends at byte 256"):
        disk.read_into(252, memoryview(part))
