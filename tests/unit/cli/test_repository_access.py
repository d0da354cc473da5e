"""A container becomes a store, with a SAS or with the identity that the environment has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.program import CommandLine
from vmbackup_core.stores.azure_blob import AzureBlobStore
from vmbackup_operator.services.repository_access import container_store

CONTAINER = "https://account.blob.core.windows.net/container"
IDENTITY = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client"}


@pytest.fixture(autouse=True)
def nobody_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with an environment that says nothing, and in which nobody is reached."""
    for name in (
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "VMBACKUP_SAS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")


@pytest.mark.parametrize("ca_file", [None, "/etc/hostname"], ids=["the SDK's", "one's own"])
def test_with_a_sas_nobody_is_asked_before_the_container_is_read(
    monkeypatch: pytest.MonkeyPatch, ca_file: str | None
) -> None:
    if ca_file:
        monkeypatch.setenv("SSL_CERT_FILE", ca_file)

    assert isinstance(container_store(CONTAINER, "sv=2026-06-06&sig=abc"), AzureBlobStore)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        pytest.param({"SSL_CERT_FILE": "/gone"}, "names /gone, which is not there", id="CA"),
        pytest.param(
            {**IDENTITY, "AZURE_FEDERATED_TOKEN_FILE": "/gone"}, "No such file", id="token file"
        ),
        pytest.param(
            {**IDENTITY, "AZURE_FEDERATED_TOKEN_FILE": "/"}, "Is a directory", id="a folder"
        ),
        pytest.param(
            {**IDENTITY, "AZURE_CLIENT_SECRET": "c2VjcmV0", "AZURE_TENANT_ID": "a b"},
            "Invalid tenant",
            id="tenant",
        ),
        pytest.param(
            {**IDENTITY, "AZURE_CLIENT_SECRET": "c2VjcmV0", "AZURE_AUTHORITY_HOST": "http://x"},
            "invalid authority",
            id="authority",
        ),
    ],
)
def test_an_environment_that_makes_no_sense_is_said_in_a_line(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    line.address = CONTAINER
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    code, _, err = line.run("list")

    assert code == 2
    assert err.startswith("vmbackup: WrongVariables: ")
    assert said in err
    assert len(err.splitlines()) == 1
    assert "c2VjcmV0" not in err


def test_a_token_that_is_not_had_is_said_in_a_line(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line.address = CONTAINER
    token = tmp_path / "token"
    token.write_text("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.x")
    for name, value in {**IDENTITY, "AZURE_FEDERATED_TOKEN_FILE": str(token)}.items():
        monkeypatch.setenv(name, value)

    code, _, err = line.run("list")

    assert code == 2
    assert err.startswith("vmbackup: StoreUnavailable: signing in: ")
    assert len(err.splitlines()) == 1
    assert "eyJhbGci" not in err
