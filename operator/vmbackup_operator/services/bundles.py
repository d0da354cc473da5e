"""The agent's bundle: uploaded through a SAS, every file proved, once per region and bundle.

Those of earlier versions are deleted with our own identity: no SAS of ours deletes anything.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import ContainerClient
from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.protocol.bundle import BUNDLE_LIST, BundleFile, BundleList, read_bundle
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.plan import BUNDLE_CONTAINER
from vmbackup_operator.naming import name_of
from vmbackup_operator.services.data_plane import DataPlane, delete_blobs
from vmbackup_operator.services.failures import code_and_message, translated
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.signatures import AzureSignatures
from vmbackup_operator.sessions.ports import Bundles
from vmbackup_operator.sessions.seen import Account, BundleStored, Region

log = logging.getLogger(__name__)

_UPLOAD_WITHIN = timedelta(hours=1)

#: So many bundles stay: a launch that began before the newest was there reads the one before.
_KEPT = 2
#: A folder that a bundle may lie in; whatever else is in the container is somebody else's.
_FOLDER = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class _Stored:
    size_bytes: int
    md5: bytes
    at: datetime


#: What lies in the folders of bundles: by folder, then by the file's name.
_Folders = Mapping[str, Mapping[str, _Stored]]


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

    async def find_outdated(self, account: Account) -> list[str]:
        """Return the bundles in the account that newer ones have taken the place of."""
        current = _read(self._path).id
        container = self._data_plane.blobs(account).get_container_client(BUNDLE_CONTAINER)
        with translated(f"listing bundles in {name_of(account.id)}"):
            folders = await _stored(container)
        return outdated({name: _newest(files) for name, files in folders.items()}, current)

    async def delete(self, account: Account, folder: str) -> None:
        """Delete what lies in the folder of a bundle; gone already is no error."""
        container = self._data_plane.blobs(account).get_container_client(BUNDLE_CONTAINER)
        with translated(f"deleting bundle {folder} in {name_of(account.id)}"):
            files = (await _stored(container)).get(folder, {})
            await _delete(container, folder, files)

    async def _store(self, account: Account) -> BundleStored:
        bundle = _read(self._path)
        until = self._clock.now() + _UPLOAD_WITHIN
        url = await self._signatures.container(account, BUNDLE_CONTAINER, "write_new", until)
        container = self._data_plane.signed_container(url)
        where = f"bundle {bundle.id} in {name_of(account.id)}"
        with translated(f"storing {where}"), self._signatures.watched():
            folders = await _stored(container)
            owed = self._owed(bundle, folders.get(bundle.id, {}), where)
            for name, data in owed:
                await _upload(container, f"{bundle.id}/{name}", data)
            if owed:
                folders = await _stored(container)
        stored = folders.get(bundle.id, {})
        for file in (*bundle.files, _line_of_list(bundle)):
            _prove(file, stored.get(file.name), where)
        await self._delete_outdated(account, folders, bundle.id)
        return BundleStored(BUNDLE_CONTAINER, bundle.id, bundle.sha256)

    async def _delete_outdated(self, account: Account, folders: _Folders, current: str) -> None:
        """Delete bundles of earlier versions; where that is refused they stay, and that is logged.

        No launch fails for what is left of others: it is tried again with the next one.
        """
        gone = outdated({name: _newest(files) for name, files in folders.items()}, current)
        container = self._data_plane.blobs(account).get_container_client(BUNDLE_CONTAINER)
        for folder in gone:
            what = f"deleting bundle {folder} in {name_of(account.id)}"
            try:
                with translated(what):
                    await _delete(container, folder, folders[folder])
            except VmbackupError as error:
                log.warning("%s: %s", what, error)
                return
            log.info("%s: a newer one has taken its place", what)

    def _owed(
        self, bundle: BundleList, stored: Mapping[str, _Stored], where: str
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


def outdated(stored_at: Mapping[str, datetime], current: str) -> list[str]:
    """Return which bundles go, by the time at which each was stored: all but the newest few.

    None while *current* is not the newest: whoever went back to an earlier version may go forward.
    """
    newest = sorted(stored_at, key=lambda name: (stored_at[name], name), reverse=True)
    return newest[_KEPT:] if newest[:1] == [current] else []


async def _delete(container: ContainerClient, folder: str, files: Iterable[str]) -> None:
    """Delete *files* of the folder, the list first: where it is, all is."""
    in_order = sorted(files, key=lambda name: name != BUNDLE_LIST)
    await delete_blobs(container, [f"{folder}/{name}" for name in in_order])


def _newest(files: Mapping[str, _Stored]) -> datetime:
    return max(file.at for file in files.values())


async def _stored(container: ContainerClient) -> _Folders:
    """Return what lies in the folders of bundles, with the MD5 that Azure keeps of each file."""
    found: dict[str, dict[str, _Stored]] = {}
    async for blob in container.list_blobs():
        folder, _, name = blob.name.partition("/")
        if name and _FOLDER.fullmatch(folder):
            md5 = bytes(blob.content_settings.content_md5 or b"")
            found.setdefault(folder, {})[name] = _Stored(blob.size, md5, blob.last_modified)
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
