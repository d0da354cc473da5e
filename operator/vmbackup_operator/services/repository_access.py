"""A repository's container, with the identity that the environment has; for the command line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.archive_tier import ArchiveTier
from vmbackup_core.stores.azure_archive_tier import AzureArchiveTier
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.azure_errors import translated
from vmbackup_core.stores.connections import connections
from vmbackup_core.stores.port import Store
from vmbackup_operator.services.credentials import ca_file, synchronous_credential

#: Whom a token for blobs is asked for, in every one of Azure's clouds.
_BLOBS = "https://storage.azure.com/.default"


def container_store(url: str, sas: str) -> Store:
    """Return the store in the container at *url*.

    With a *sas* it needs nothing else; without, the environment says who we are, and a token is
    asked for at once: later a failure would be taken for the container's.
    """
    return AzureBlobStore(_client(url, sas))


def container_tier(url: str, sas: str) -> ArchiveTier:
    """Return the Archive tier of the container at *url*, by the same credentials."""
    return AzureArchiveTier(_client(url, sas))


def _client(url: str, sas: str) -> ContainerClient:
    for name in ("azure", "msal", "urllib3"):  # they log what becomes an error of ours anyway
        logging.getLogger(name).addHandler(logging.NullHandler())
    _check_ca_file()
    if sas:
        return container_client(f"{url}?{sas}", ca_file=ca_file())
    with _signing_in():
        credential = _credential()
        credential.get_token(_BLOBS)
    return container_client(url, credential, ca_file=ca_file())


def _credential() -> TokenCredential:
    """Return the operator's kind of identity where the environment has it, else a person's."""
    try:
        return synchronous_credential()
    except PermanentError:
        return DefaultAzureCredential(transport=connections(connection_verify=ca_file() or True))


def _check_ca_file() -> None:
    path = ca_file()
    if path and not Path(path).exists():
        raise PermanentError(
            f"SSL_CERT_FILE or REQUESTS_CA_BUNDLE names {path}, which is not there",
            reason="WrongVariables",
        )


@contextmanager
def _signing_in() -> Iterator[None]:
    """Translate what the identity library raises, its own checks of the environment included."""
    try:
        yield
    except ClientAuthenticationError as error:
        said = str(error).strip().partition("\n")[0]
        raise PermanentError(
            f"no token was given: {said}", reason="AuthenticationFailed"
        ) from error
    except AzureError as error:
        raise translated("signing in", error) from error
    except (OSError, ValueError) as error:
        raise PermanentError(f"signing in: {error}", reason="WrongVariables") from error
