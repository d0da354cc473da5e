"""Repositories' containers as stores, with the operator's own identity; synchronous, in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from azure.core.credentials import TokenCredential

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.port import Store
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.services.credentials import ca_file
from vmbackup_operator.sessions.seen import account_of

# As many repositories as are looked at at once; each call is a few small requests.
_THREADS = 8

# AuthorizationFailure, AuthorizationPermissionMismatch, AuthenticationFailed and their kin.
_NOT_YOU = ("Authorization", "Authentication", "InsufficientAccountPermissions", "NoAuthentication")

T = TypeVar("T")


class RepositoryStores:
    """Stores, one for each container, and the threads that read them."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="repository")
        self._stores: dict[str, AzureBlobStore] = {}

    async def read(self, repository: BackupRepository, work: Callable[[Store], T]) -> T:
        """Return what *work* makes of the repository's store, in a thread.

        Azure's many words for "not you" come out as reason ``NotAuthorized``.
        """
        store = self._store(repository)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, work, store)
        except PermanentError as error:
            explained = _explained(repository, error)
            if explained is None:
                raise
            raise explained from error

    def close(self) -> None:
        """Let the threads end; what they are at is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _store(self, repository: BackupRepository) -> AzureBlobStore:
        spec = repository.spec
        url = f"{account_of(ArmId(spec.storage_account_id)).blob_url}/{spec.container}"
        if url not in self._stores:
            client = container_client(url, self._credential, ca_file=ca_file())
            self._stores[url] = AzureBlobStore(client)
        return self._stores[url]


def _explained(repository: BackupRepository, error: PermanentError) -> PermanentError | None:
    """Return *error* in words that the repository's user can act on, or None where it has them."""
    account = name_of(ArmId(repository.spec.storage_account_id))
    if error.reason == "ContainerNotFound":
        message = f"account {account} has no container {repository.spec.container}: create it"
        return PermanentError(message, reason=error.reason)
    if error.reason.startswith(_NOT_YOU):
        message = f"account {account} refuses the operator's identity, or where it comes from"
        return PermanentError(f"{message}: {error}", reason="NotAuthorized")
    return None
