"""Repositories' containers as stores, with the operator's own identity; synchronous, in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob import ContainerClient
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.archive_tier import ArchiveTier
from vmbackup_core.stores.azure_archive_tier import AzureArchiveTier
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.azure_errors import code_of, translated
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId, control_container, name_of
from vmbackup_operator.services.credentials import ca_file
from vmbackup_operator.services.fence import Fence, WriteFence, open_fence
from vmbackup_operator.services.opened_repositories import RepositoryContainers
from vmbackup_operator.sessions.seen import account_of

# As many repositories as are looked at at once; each call is a few small requests.
_THREADS = 8

# As many as are looked through from end to end at once: each keeps some of what it finds in memory.
_LONG_THREADS = 2

# AuthorizationFailure, AuthorizationPermissionMismatch, AuthenticationFailed and their kin.
_NOT_YOU = ("Authorization", "Authentication", "NoAuthentication")

T = TypeVar("T")


class RepositoryStores(RepositoryContainers):
    """Stores, one for each container, and the threads that read them; writes ask *fence* first."""

    def __init__(self, credential: TokenCredential, fence: Fence = open_fence) -> None:
        self._credential = credential
        self._fence = WriteFence(fence)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="repository")
        self._long = ThreadPoolExecutor(_LONG_THREADS, thread_name_prefix="repository-at-length")
        self._stores: dict[str, AzureBlobStore] = {}

    @override
    async def ask(self, repository: BackupRepository, work: Callable[[Places], T]) -> T:
        places = self._places(repository)
        return await self._in_thread(repository, lambda: work(places), self._executor)

    @override
    async def ask_at_length(self, repository: BackupRepository, work: Callable[[Places], T]) -> T:
        places = self._places(repository)
        return await self._in_thread(repository, lambda: work(places), self._long)

    @override
    def tier(self, repository: BackupRepository) -> ArchiveTier:
        return AzureArchiveTier(self._client(_url(repository, repository.spec.container)))

    @override
    async def make_control(self, repository: BackupRepository) -> None:
        name = control_container(repository.spec.container)
        url = _url(repository, name)

        def make() -> None:
            try:
                with self._client(url) as client:
                    client.create_container()
            except ResourceExistsError as error:
                if code_of(error) != "ContainerAlreadyExists":
                    raise translated(f"making container {name}", error) from error
            except AzureError as error:
                raise translated(f"making container {name}", error) from error

        await self._in_thread(repository, make, self._executor)

    async def _in_thread(
        self, repository: BackupRepository, work: Callable[[], T], threads: ThreadPoolExecutor
    ) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(threads, work)
        except PermanentError as error:
            if not error.reason.startswith(_NOT_YOU):
                raise
            account = name_of(ArmId(repository.spec.storage_account_id))
            message = f"account {account} refuses the operator's identity, or where it comes from"
            raise PermanentError(f"{message}: {error}", reason="NotAuthorized") from error

    def close(self) -> None:
        """Let the threads end; what they are at is not waited for."""
        for threads in (self._executor, self._long):
            threads.shutdown(wait=False, cancel_futures=True)

    def _places(self, repository: BackupRepository) -> Places:
        data = repository.spec.container
        control = control_container(data)
        return Places(self._store(repository, data), self._store(repository, control))

    def _store(self, repository: BackupRepository, container: str) -> AzureBlobStore:
        url = _url(repository, container)
        if url not in self._stores:
            self._stores[url] = AzureBlobStore(self._client(url))
        return self._stores[url]

    def _client(self, url: str) -> ContainerClient:
        ask = self._fence.on_request
        return container_client(url, self._credential, ca_file=ca_file(), before_each=ask)


def _url(repository: BackupRepository, container: str) -> str:
    account = account_of(ArmId(repository.spec.storage_account_id))
    return f"{account.blob_url}/{container}"
