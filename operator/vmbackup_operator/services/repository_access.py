"""A repository by its address: a container's URL or a directory; for the command line."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import Store
from vmbackup_operator.services.credentials import ca_file, synchronous_credential


def store_at(address: str) -> Store:
    """Return the store at *address*: ``https://ACCOUNT.blob.core.windows.net/CONTAINER`` or a path.

    A URL with a SAS needs nothing else; for one without, the environment says who we are.
    """
    if "://" not in address:
        return DirectoryStore(_directory(address))
    url = urlsplit(address)
    container = url.path.strip("/")
    if url.scheme not in {"https", "http"} or not url.hostname or not container:
        raise PermanentError(
            f"{url.scheme}://{url.hostname or ''}{url.path} is no address of a container: "
            "https://ACCOUNT.blob.core.windows.net/CONTAINER is one",
            reason="InvalidAddress",
        )
    credential = None if "sig" in parse_qs(url.query) else _credential()
    return AzureBlobStore(container_client(address, credential, ca_file=ca_file()))


def _directory(address: str) -> Path:
    folder = Path(address)
    if not folder.is_dir():
        raise PermanentError(f"{address} is no directory", reason="NoDirectory")
    return folder


def _credential() -> TokenCredential:
    """Return the operator's kind of identity where the environment has it, else a person's."""
    try:
        return synchronous_credential()
    except PermanentError:
        return DefaultAzureCredential(connection_verify=ca_file() or True)
