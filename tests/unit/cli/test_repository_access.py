"""A container becomes a store, with a SAS or with the identity that the environment has."""

from __future__ import annotations

import pytest

from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_operator.services.repository_access import container_store

CONTAINER = "https://account.blob.core.windows.net/container"


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="nobody yet"),
        pytest.param(
            {
                "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000001",
                "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000002",
                "AZURE_CLIENT_SECRET": "s",
            },
            id="client and secret",
        ),
        pytest.param(
            {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}, id="a CA of one's own"
        ),
    ],
)
@pytest.mark.parametrize("sas", ["", "sv=2026-06-06&sig=abc"], ids=["identity", "SAS"])
def test_a_container_is_asked_for_nothing_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sas: str
) -> None:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert isinstance(container_store(CONTAINER, sas), AzureBlobStore)
