"""A repository's container, with the identity that the environment has; for the command line."""

from __future__ import annotations

import logging

from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.port import Store
from vmbackup_operator.services.credentials import ca_file, synchronous_credential


def container_store(url: str, sas: str) -> Store:
    """Return the store in the container at *url*.

    With a *sas* it needs nothing else; without, the environment says who we are.
    """
    for name in ("azure", "msal", "urllib3"):  # they log what becomes an error of ours anyway
        logging.getLogger(name).addHandler(logging.NullHandler())
    credential = None if sas else _credential()
    address = f"{url}?{sas}" if sas else url
    return AzureBlobStore(container_client(address, credential, ca_file=ca_file()))


def _credential() -> TokenCredential:
    """Return the operator's kind of identity where the environment has it, else a person's."""
    try:
        return synchronous_credential()
    except PermanentError:
        return DefaultAzureCredential(connection_verify=ca_file() or True)
