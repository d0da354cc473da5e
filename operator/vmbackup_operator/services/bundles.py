"""The agent's bundle: uploaded through a SAS, every file proved, once per region and bundle."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import ContainerClient
from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol.bundle import BUNDLE_LIST, BundleFile, BundleList, read_bundle
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.plan import BUNDLE_CONTAINER
from vmbackup_operator.naming import name_of
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.services.failures import code_and_message, translated
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.signatures import AzureSignatures
from vmbackup_operator.sessions.ports import Bundles
from vmbackup_operator.sessions.seen import Account, BundleStored, Region

_UPLOAD_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Stored:
    size_bytes: int
    md5: bytes


class AzureBundles(Bundles):
    """Brings the bundle in the folder *path* to regions."""

    def __init__(
        self,
        data_plane: DataPlane,
        signatures: AzureSignatures,
        operations: Operations,
        clock: Clock,
        path: Path,
    ) -> None:
        self._data_plane = data_plane
        self._signatures = signatures
        self._operations = operations
        self._clock = clock
        self._path = path

    @override
    async def ensure(self, region: Region) -> BundleStored | None:
        account = region.account
        return await self._operations.advance(
            f"store bundle in {folded(account.id)}", lambda: self._store(account)
        )

    async def _store(self, account: Account) -> BundleStored:
        bundle = _read(self._path)
        until = self._clock.now() + _UPLOAD_WITHIN
        url = await self._signatures.container(account, BUNDLE_CONTAINER, "write_new", until)
        container = self._data_plane.signed_container(url)
        where = f"bundle {bundle.id} in {name_of(account.id)}"
        with translated(f"storing {where}"), self._signatures.watched():
            stored = await _stored(container, bundle.id)
            for name, data in self._owed(bundle, stored, where):
                await _upload(container, f"{bundle.id}/{name}", data)
            stored = await _stored(container, bundle.id)
        for file in (*bundle.files, _line_of_list(bundle)):
            _prove(file, stored.get(file.name), where)
        return BundleStored(BUNDLE_CONTAINER, bundle.id, bundle.sha256)

    def _owed(
        self, bundle: BundleList, stored: dict[str, _Stored], where: str
    ) -> list[tuple[str, bytes]]:
        """Return the files that are not there yet, the list last: where it is, all is."""
        owed: list[tuple[str, bytes]] = []
        for file in (*bundle.files, _line_of_list(bundle)):
            if file.name in stored:
                _prove(file, stored[file.name], where)
                continue
            data = bundle.encoded()
            if file.name != BUNDLE_LIST:
                data = (self._path / file.name).read_bytes()
            owed.append((file.name, data))
        return owed


def _read(path: Path) -> BundleList:
    try:
        return read_bundle(path)
    except PermanentError as error:
        raise PermanentError(str(error), reason="BundleDamaged") from error


def _line_of_list(bundle: BundleList) -> BundleFile:
    """Return the list's own line, which it cannot hold."""
    data = bundle.encoded()
    md5 = base64.b64encode(_md5(data)).decode("ascii")
    return BundleFile(BUNDLE_LIST, len(data), md5, bundle.sha256)


async def _stored(container: ContainerClient, folder: str) -> dict[str, _Stored]:
    """Return what lies in *folder*, with the MD5 that Azure keeps of it."""
    found: dict[str, _Stored] = {}
    async for blob in container.list_blobs(name_starts_with=f"{folder}/"):
        md5 = blob.content_settings.content_md5
        found[blob.name.removeprefix(f"{folder}/")] = _Stored(blob.size, bytes(md5 or b""))
    return found


async def _upload(container: ContainerClient, name: str, data: bytes) -> None:
    """Put the blob unless it is there: Azure compares the MD5 on the way, and keeps it.

    One that is there may be our own, whose answer was lost; what it holds is proved afterwards.
    """
    client = container.get_blob_client(name)
    try:
        await client.upload_blob(
            data,
            overwrite=False,
            validate_content=True,
            content_settings=ContentSettings(content_md5=bytearray(_md5(data))),
        )
    except ResourceExistsError as error:
        if code_and_message(error)[0] != "BlobAlreadyExists":
            raise


def _prove(file: BundleFile, stored: _Stored | None, where: str) -> None:
    if stored is None:
        raise PermanentError(f"{where}: {file.name} is not there", reason="BundleDamaged")
    if stored.size_bytes != file.size_bytes or stored.md5 != base64.b64decode(file.md5):
        raise PermanentError(
            f"{where}: {file.name} is not the file that the bundle lists: delete the blob",
            reason="BundleDamaged",
        )


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
