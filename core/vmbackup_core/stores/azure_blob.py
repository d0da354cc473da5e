"""Objects as block blobs of one Azure container.

One object is one Put Blob with ``If-None-Match: *``, so it is there whole or not at all. Retries
are done here, not in the SDK: who sends a put again must know that "already there" may be its own.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest
from azure.storage.blob import (
    BlobPrefix,
    ContainerClient,
    ImmutabilityPolicy,
    StandardBlobTier,
)
from typing_extensions import override

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.azure_errors import code_of, status_of, translated
from vmbackup_core.stores.connections import connections
from vmbackup_core.stores.patience import Patience
from vmbackup_core.stores.port import (
    LOCKED,
    AlreadyStored,
    Buffer,
    CredentialsRefused,
    LocksNotKept,
    NotDeleted,
    NotStored,
    ObjectLock,
    Store,
    StoredObject,
    Tier,
    TooLarge,
    checked_batch,
    checked_name,
)

#: The storage service's version that every client of ours asks for, blob and queue alike.
SERVICE_VERSION = "2026-06-06"

#: Above any object of ours: a put never becomes blocks and a block list.
ONE_REQUEST_BYTES = 256 * 1024 * 1024

_GONE = frozenset({"BlobNotFound", "ResourceNotFound"})
_TAKEN = frozenset({"BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite"})

#: How many deletions are under way at once.
_DELETIONS: Final = 16

#: Is told of a request that is about to be sent.
RequestHook = Callable[[PipelineRequest[Any]], None]

T = TypeVar("T")


def container_client(
    url: str,
    credential: TokenCredential | str | None = None,
    *,
    ca_file: str | None = None,
    before_each: RequestHook | None = None,
) -> ContainerClient:
    """Return a client for the container at *url*: a SAS URL, or a plain one and a *credential*.

    *ca_file* is the CA bundle to trust in place of the client's own list. Proxies come from the
    environment. *before_each* is called before each request is sent, and what it raises is raised.
    """
    return ContainerClient.from_container_url(
        url,
        credential=credential,
        api_version=SERVICE_VERSION,
        max_single_put_size=ONE_REQUEST_BYTES,
        max_single_get_size=ONE_REQUEST_BYTES,
        retry_total=0,
        transport=connections(
            connection_timeout=20, read_timeout=120, connection_verify=ca_file or True
        ),
        raw_request_hook=before_each,
    )


class AzureBlobStore(Store):
    """The blobs of one container; *client* comes from `container_client`.

    *tier_of* says by its name into which tier a blob is put.
    """

    def __init__(
        self,
        client: ContainerClient,
        *,
        patience: Patience | None = None,
        page_size: int = 5000,  # the most that Azure lists at once
        tier_of: Callable[[str], Tier] = lambda _name: "Hot",
    ) -> None:
        self._tier_of = tier_of
        self._client = client
        self._page_size = page_size
        self._patience = patience or Patience()
        self._where = f"{client.account_name}/{client.container_name}"

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        checked_name(name)
        content = bytes(data)

        def put(attempt: int) -> None:
            try:
                self._put_once(name, content)
            except AlreadyStored:
                # An attempt before this one may have been stored and only its answer lost.
                if attempt == 0 or self.get(name) != content:
                    raise

        self._patience.ask(put)

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        checked_name(name)
        if most is None:
            return self._asked(
                f"reading {name}",
                lambda: self._downloaded(name),
                missing=NotStored(name),
            )
        content = self.get_range(name, 0, most + 1)
        if len(content) > most:
            raise TooLarge(name, most)
        return content

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._ranged(name, offset, length)[0]

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        if size is None:
            size = self._size(name)
        while True:
            wanted = min(size, length)
            tail, found = self._ranged(name, size - wanted, max(wanted, 1))
            if found is None:  # the object ends before that
                found = self._size(name)
            if found == size:
                return tail[:wanted], size
            size = found

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        left = limit
        marker: str | None = None
        while left is None or left > 0:
            page, marker = self._page(prefix, marker, left)
            yield from page
            left = None if left is None else left - len(page)
            if not marker:
                return

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        marker: str | None = None
        while True:
            page, marker = self._page_of_folders(prefix, marker)
            yield from page
            if not marker:
                return

    @override
    def delete(self, name: str) -> None:
        checked_name(name)
        try:
            self._asked(
                f"deleting {name}",
                # With its snapshots, which whoever may create may make, and which would keep it.
                lambda: self._client.delete_blob(name, delete_snapshots="include"),
                missing=NotStored(name),
            )
        except NotStored:
            return

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        with ThreadPoolExecutor(_DELETIONS) as threads:
            kept = threads.map(self._delete_unless_locked, checked_batch(names))
        return [each for each in kept if each is not None]

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        checked_name(name)
        for version in self._asked(f"listing versions of {name}", lambda: self._earlier(name)):
            content = self._ranged(name, 0, most + 1, version)[0]
            if len(content) <= most:
                yield content

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        checked_name(name)
        # Locked from the start: what is Unlocked can be shortened and taken off again.
        policy = ImmutabilityPolicy(expiry_time=moment, policy_mode="Locked")
        blob = self._client.get_blob_client(name)
        try:
            self._asked(
                f"locking {name}",
                lambda: blob.set_immutability_policy(policy),
                missing=NotStored(name),
            )
        except PermanentError as error:
            if isinstance(error, (NotStored, CredentialsRefused)):
                raise
            if not self._is_locked_longer(name, moment):
                raise LocksNotKept(self._where, f"{error.reason} for {name}") from error

    @override
    def locks(self, prefix: str) -> Iterator[ObjectLock]:
        marker: str | None = None
        while True:
            page, marker = self._page_of_locks(prefix, marker)
            yield from page
            if not marker:
                return

    def _is_locked_longer(self, name: str, moment: datetime) -> bool:
        """Tell whether *name* is locked past *moment*: Azure refuses to shorten that."""
        until = self._asked(
            f"reading the lock of {name}",
            lambda: _lock_of(self._client.get_blob_client(name).get_blob_properties()),
            missing=NotStored(name),
        )
        return until is not None and until >= moment

    def _page_of_locks(
        self, prefix: str, marker: str | None
    ) -> tuple[builtins.list[ObjectLock], str | None]:
        """Return one page of the locks and the marker of the next."""

        def ask() -> tuple[builtins.list[ObjectLock], str | None]:
            pages = self._client.list_blobs(
                name_starts_with=prefix or None,
                include=["immutabilitypolicy"],
                results_per_page=self._page_size,
            ).by_page(marker)
            found = [ObjectLock(blob.name, _lock_of(blob)) for blob in next(pages, ())]
            following: str | None = getattr(pages, "continuation_token", None)
            return found, following

        return self._asked(f"listing locks of {prefix or 'everything'}", ask)

    def _delete_unless_locked(self, name: str) -> NotDeleted | None:
        try:
            self.delete(name)
        except PermanentError as error:
            if error.reason in LOCKED:
                return NotDeleted(name, error.reason)
            raise
        return None

    def _earlier(self, name: str) -> builtins.list[str]:
        """Return the versions of *name* but the current one, the oldest first."""
        found = self._client.list_blobs(name_starts_with=name, include=["versions"])
        of_it = [blob for blob in found if blob.name == name and not blob.is_current_version]
        return sorted(blob.version_id for blob in of_it if blob.version_id)

    def _page(
        self, prefix: str, marker: str | None, limit: int | None
    ) -> tuple[builtins.list[StoredObject], str | None]:
        """Return one page of the listing and the marker of the next; asked for again as a whole."""

        def ask() -> tuple[builtins.list[StoredObject], str | None]:
            pages = self._client.list_blobs(
                name_starts_with=prefix or None,
                results_per_page=min(self._page_size, limit or self._page_size),
            ).by_page(marker)
            found = [  # of one that comes back from there the tier is still this
                StoredObject(blob.name, blob.size, archived=blob.blob_tier == "Archive")
                for blob in next(pages, ())
            ]
            following: str | None = getattr(pages, "continuation_token", None)
            return found, following

        return self._asked(f"listing {prefix or 'everything'}", ask)

    def _page_of_folders(
        self, prefix: str, marker: str | None
    ) -> tuple[builtins.list[str], str | None]:
        """Return one page of the folders and the marker of the next."""

        def ask() -> tuple[builtins.list[str], str | None]:
            pages = self._client.walk_blobs(
                name_starts_with=prefix or None, results_per_page=self._page_size
            ).by_page(marker)
            found = [each.name for each in next(pages, ()) if isinstance(each, BlobPrefix)]
            following: str | None = getattr(pages, "continuation_token", None)
            return found, following

        return self._asked(f"listing folders of {prefix or 'everything'}", ask)

    def _ranged(
        self, name: str, offset: int, length: int, version: str | None = None
    ) -> tuple[bytes, int | None]:
        """Return the bytes, and the object's size where any of them is there."""
        checked_name(name)

        def ask() -> tuple[bytes, int | None]:
            with self._reading(name):
                download = self._client.download_blob(
                    name, offset=offset, length=length, version_id=version
                )
                total = str(download.properties.content_range).rpartition("/")[2]
                return download.readall(), int(total)

        try:
            return self._asked(f"reading {name}", ask, missing=NotStored(name))
        except PermanentError as error:
            if error.reason == "InvalidRange":  # behind the object's end
                return b"", None
            raise

    def _size(self, name: str) -> int:
        checked_name(name)

        def ask() -> int:
            return int(self._client.get_blob_client(name).get_blob_properties().size)

        return self._asked(f"reading the size of {name}", ask, missing=NotStored(name))

    def _downloaded(self, name: str) -> bytes:
        with self._reading(name):
            return self._client.download_blob(name).readall()

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:  # the SDK's for an answer without its Content-Range
            raise TransientError(
                f"reading {name} in {self._where}: the answer is no range of it"
            ) from error

    def _put_once(self, name: str, content: bytes) -> None:
        tier = self._tier_of(name)
        try:
            self._client.upload_blob(
                name,
                content,
                length=len(content),
                overwrite=False,
                validate_content=True,  # an MD5 goes with it, which the service compares
                # Without one the account's own: accounts that have no tiers refuse to be told any.
                standard_blob_tier=None if tier == "Hot" else StandardBlobTier(tier),
            )
        except AzureError as error:
            # A SAS that may only create gets 403, not 409, where the name is taken.
            taken = code_of(error) in _TAKEN or (
                status_of(error) == 403 and self._is_there(name)  # noqa: PLR2004
            )
            if taken:
                raise AlreadyStored(name) from None
            raise translated(f"storing {name} in {self._where}", error) from error

    def _is_there(self, name: str) -> bool:
        """Tell whether the name is seen to be taken; raise TransientError where that may pass."""
        try:
            return bool(self._client.get_blob_client(name).exists())
        except AzureError as error:
            unseen = translated(f"looking for {name} in {self._where}", error)
            if isinstance(unseen, TransientError):
                raise unseen from error
            return False  # then the refusal itself is what the caller has to hear

    def _asked(self, doing: str, ask: Callable[[], T], *, missing: NotStored | None = None) -> T:
        """Return what *ask* returns, asking again while its failure may pass."""

        def once(_attempt: int) -> T:
            try:
                return ask()
            except AzureError as error:
                if missing is not None and code_of(error) in _GONE:
                    raise missing from None
                raise translated(f"{doing} in {self._where}", error) from error

        return self._patience.ask(once)


def _lock_of(blob: Any) -> datetime | None:
    """Return until when *blob* is locked for good; what is Unlocked can be taken off again."""
    policy = blob.immutability_policy
    if policy is None or str(policy.policy_mode or "").lower() != "locked":
        return None
    until = policy.expiry_time
    return until if isinstance(until, datetime) else None
