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

# AuthorizationFailure, AuthorizationPermissionMismatch, AuthenticationFailed and their kin.
_NOT_YOU = ("Authorization", "Authentication", "InsufficientAccountPermissions", "NoAuthentication")

T = TypeVar("T")


class RepositoryStores(RepositoryContainers):
    """Stores, one for each container, and the threads that read them; writes ask *fence* first."""

    def __init__(self, credential: TokenCredential, fence: Fence = open_fence) -> None:
        self._credential = credential
        self._fence = WriteFence(fence)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="repository")
        self._stores: dict[str, AzureBlobStore] = {}

    @override
    async def ask(self, repository: BackupRepository, work: Callable[[Places], T]) -> T:
        spec = repository.spec
        data, control = spec.container, control_container(spec.container)
        places = Places(self._store(repository, data), self._store(repository, control))
        return await self._in_thread(repository, lambda: work(places))

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

        await self._in_thread(repository, make)

    async def _in_thread(self, repository: BackupRepository, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, work)
        except PermanentError as error:
            if not error.reason.startswith(_NOT_YOU):
                raise
            account = name_of(ArmId(repository.spec.storage_account_id))
            message = f"account {account} refuses the operator's identity, or where it comes from"
            raise PermanentError(f"{message}: {error}", reason="NotAuthorized") from error

    def close(self) -> None:
        """Let the threads end; what they are at is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)

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
