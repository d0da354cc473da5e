"""The Archive tier of one Azure container."""

from __future__ import annotations

from typing import Final, NoReturn

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient, RehydratePriority, StandardBlobTier
from typing_extensions import override

from vmbackup_core.stores.archive_tier import ArchiveTier, Priority
from vmbackup_core.stores.azure_errors import code_of, translated
from vmbackup_core.stores.patience import Patience
from vmbackup_core.stores.port import NotStored, checked_name

_GONE: Final = frozenset({"BlobNotFound", "ResourceNotFound"})
#: What is said of a name that is taken, the last of them where the copy is on its way already.
_TAKEN: Final = frozenset(
    {"BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite", "BlobBeingRehydrated"}
)


class AzureArchiveTier(ArchiveTier):
    """The blobs of one container; *client* comes from `azure_blob.container_client`.

    Copies are made by whoever may read and create blobs there; who puts blobs into the tier needs
    the right to write them (`blobs/write`), which lets one overwrite them as well.
    """

    def __init__(self, client: ContainerClient, *, patience: Patience | None = None) -> None:
        self._client = client
        self._patience = patience or Patience()

    @override
    def put_away(self, name: str) -> None:
        self._patience.ask(lambda _attempt: self._set_tier(checked_name(name)))

    @override
    def bring_back(self, name: str, copy: str, priority: Priority) -> None:
        checked_name(copy)
        self._patience.ask(lambda _attempt: self._begin(checked_name(name), copy, priority))

    def _set_tier(self, name: str) -> None:
        try:
            self._client.get_blob_client(name).set_standard_blob_tier(StandardBlobTier.ARCHIVE)
        except AzureError as error:
            self._refused(f"putting {name} into the Archive tier", name, error)

    def _begin(self, name: str, copy: str, priority: Priority) -> None:
        try:
            self._client.get_blob_client(copy).start_copy_from_url(
                self._client.get_blob_client(name).url,
                # Hot: no other tier lets a copy be deleted tomorrow without more being charged.
                standard_blob_tier=StandardBlobTier.HOT,
                rehydrate_priority=RehydratePriority(priority),
                match_condition=MatchConditions.IfMissing,
            )
        except AzureError as error:
            if code_of(error) in _TAKEN:
                return
            self._refused(f"bringing back {name}", name, error)

    def _refused(self, doing: str, name: str, error: AzureError) -> NoReturn:
        if code_of(error) in _GONE:
            raise NotStored(name) from None
        where = f"{self._client.account_name}/{self._client.container_name}"
        raise translated(f"{doing} in {where}", error) from error
