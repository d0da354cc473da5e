"""Azure's SDK for Go: its sign-in asks for several scopes at once, unlike Python's."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from azure_simulator.identities.tokens import encoded
from tests.contract.clients.programs import Cloud, look_by_go
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION

pytestmark = pytest.mark.clients

AUTHORIZATION = "2022-04-01"
ISSUER = "https://cluster.example/oidc"
SUBJECT = "system:serviceaccount:vmbackup-system:vmbackup-operator"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account_token(key: rsa.RSAPrivateKey, subject: str) -> str:
    """Return a token as a cluster's API server signs it for one of its ServiceAccounts."""
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": ["api://AzureADTokenExchange"],
        "exp": int(time.time()) + 600,
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@pytest.fixture(scope="module")
def reader(cloud: Cloud) -> Iterator[None]:
    """Let the operator's identity read the whole subscription while this module lists it."""
    kind = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization"
    assignment = f"{kind}/roleAssignments/{uuid.uuid4()}"
    properties = {
        "roleDefinitionId": f"{kind}/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "principalId": seed.OPERATOR_OBJECT_ID,
        "principalType": "ServicePrincipal",
    }
    cloud.azure.arm(assignment, AUTHORIZATION, {"properties": properties})
    yield
    cloud.azure.remove(assignment, AUTHORIZATION)


@pytest.fixture(scope="module")
def federated(cloud: Cloud, key: rsa.RSAPrivateKey) -> None:
    """Let the operator's ServiceAccount stand for the operator's secret."""
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    credential = {"issuer": ISSUER, "subject": SUBJECT, "publicKey": public.decode()}
    cloud.azure.call(
        "PUT",
        f"/identities/{seed.OPERATOR_CLIENT_ID}",
        {
            "clientSecret": seed.OPERATOR_CLIENT_SECRET,
            "objectId": seed.OPERATOR_OBJECT_ID,
            "federated": [credential],
        },
    )


def by_token(path: Path, token: str) -> dict[str, str]:
    path.write_text(token)
    return {"AZURE_CLIENT_ID": seed.OPERATOR_CLIENT_ID, "AZURE_FEDERATED_TOKEN_FILE": str(path)}


@pytest.mark.usefixtures("reader")
def test_a_go_program_signs_in_by_secret_and_lists_machines(cloud: Cloud, tmp_path: Path) -> None:
    identity = {
        "AZURE_CLIENT_ID": seed.OPERATOR_CLIENT_ID,
        "AZURE_CLIENT_SECRET": seed.OPERATOR_CLIENT_SECRET,
    }
    before = cloud.azure.last_entry()

    done = look_by_go(cloud, tmp_path, "secret", identity)

    assert done.status == 0, done.complained
    found = json.loads(done.printed)
    assert found["machines"] == [seed.VM_ID]
    assert {"rg-backup", "rg-production", "rg-repository"} <= set(found["groups"])
    asked = [(e["service"], e["status"]) for e in cloud.azure.journal(before)]
    assert ("token", 200) in asked
    assert ("arm", 200) in asked


@pytest.mark.usefixtures("reader", "federated")
def test_a_go_program_signs_in_by_a_service_accounts_token(
    cloud: Cloud, tmp_path: Path, key: rsa.RSAPrivateKey
) -> None:
    identity = by_token(tmp_path / "token", service_account_token(key, SUBJECT))

    done = look_by_go(cloud, tmp_path, "federated", identity)

    assert done.status == 0, done.complained
    assert json.loads(done.printed)["machines"] == [seed.VM_ID]


@pytest.mark.usefixtures("federated")
def test_another_service_accounts_token_and_a_wrong_secret_sign_nobody_in(
    cloud: Cloud, tmp_path: Path, key: rsa.RSAPrivateKey
) -> None:
    stranger = by_token(tmp_path / "token", service_account_token(key, f"{SUBJECT}-2"))
    guessed = {"AZURE_CLIENT_ID": seed.OPERATOR_CLIENT_ID, "AZURE_CLIENT_SECRET": "guessed"}

    by_strangers_token = look_by_go(cloud, tmp_path, "federated", stranger)
    by_guessing = look_by_go(cloud, tmp_path, "secret", guessed)

    assert (by_strangers_token.status, by_guessing.status) == (1, 1)
    assert "AADSTS700213" in by_strangers_token.complained
    assert "AADSTS7000215" in by_guessing.complained
