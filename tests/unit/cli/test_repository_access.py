"""An address becomes a store, with the identity that the environment has."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_operator.services.repository_access import store_at

CONTAINER = "https://account.blob.core.windows.net/container"


def test_a_path_is_a_directory(tmp_path: Path) -> None:
    assert isinstance(store_at(str(tmp_path)), DirectoryStore)


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
@pytest.mark.parametrize("query", ["", "?sv=2026-06-06&sig=abc"], ids=["identity", "SAS"])
def test_a_container_is_asked_for_nothing_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], query: str
) -> None:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert isinstance(store_at(CONTAINER + query), AzureBlobStore)


@pytest.mark.parametrize(
    "address", ["https://account.blob.core.windows.net", "http:///c", "s3://b/c"]
)
def test_what_names_no_container_is_refused(address: str) -> None:
    with pytest.raises(PermanentError, match="is no address of a container") as refused:
        store_at(address)

    assert refused.value.reason == "InvalidAddress"
