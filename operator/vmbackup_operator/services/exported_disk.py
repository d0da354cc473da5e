"""A retained snapshot by the read SAS of its export, for whoever repairs without a worker."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from azure.storage.blob import ContainerClient
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_core.stores.port import Store
from vmbackup_operator.services.credentials import ca_file

#: What exports of managed disks understand; the newest versions of the service they do not.
EXPORT_VERSION = "2020-10-02"


class ExportedDisk(DiskSource):
    """The bytes of an export, which lie under *name* in *store*."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def size_bytes(self) -> int:
        """Return how long it is; behind the disk's own bytes may lie the footer of a VHD."""
        return self._store.get_end(self._name, 1)[1]

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        content = self._store.get_range(self._name, offset, len(buffer))
        if len(content) != len(buffer):
            raise PermanentError(
                f"the snapshot ends at byte {offset + len(content)}", reason="SnapshotUnreadable"
            )
        buffer[:] = content


def exported_disk(url: str) -> ExportedDisk:
    """Return the export at *url*, which holds its SAS and is shown nowhere."""
    address = export_address(url)
    client = ContainerClient.from_container_url(
        address[0],
        api_version=EXPORT_VERSION,
        retry_total=0,
        connection_timeout=20,
        read_timeout=120,
        connection_verify=ca_file() or True,
    )
    return ExportedDisk(AzureBlobStore(client), address[1])


def export_address(url: str) -> tuple[str, str]:
    """Return the URL of the container with the SAS, and the blob's name in it."""
    try:
        parts = urlsplit(url)
        _, container, name = parts.path.split("/")
    except ValueError:
        raise _refusal() from None
    if parts.scheme != "https" or not container or not name or "sig" not in parse_qs(parts.query):
        raise _refusal()
    return f"https://{parts.netloc}/{container}?{parts.query}", name


def _refusal() -> PermanentError:
    return PermanentError(
        "what was given as a snapshot's export is no https URL with a SAS", reason="InvalidSas"
    )
