"""A ServiceAccount's token in place of a client secret: workload identity."""

from __future__ import annotations

import json
import time

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ClientAssertionCredential
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from azure_simulator.identities.federation import FederatedCredential
from azure_simulator.identities.tokens import ARM_AUDIENCES, encoded
from tests.contract.arm.conftest import Simulated
from tests.unit.simulator_arm.conftest import TENANT

pytestmark = pytest.mark.asyncio(loop_scope="module")

ISSUER = "https://cluster.example/oidc"
SUBJECT = "system:serviceaccount:vmbackup:operator"
CLIENT = "abababab-1111-4111-8111-111111111111"
OBJECT = "abababab-2222-4111-8111-111111111111"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account_token(subject: str = SUBJECT, key: rsa.RSAPrivateKey = KEY) -> str:
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": ["api://AzureADTokenExchange"],
        "exp": int(time.time()) + 600,
    }
    header = {"alg": "RS256", "typ": "JWT"}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{encoded(signature)}"


@pytest.fixture
def federated(simulated: Simulated) -> Simulated:
    public = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    simulated.identities.add(CLIENT, OBJECT, "")
    credential = FederatedCredential.parse(ISSUER, SUBJECT, public.decode())
    simulated.identities.federate(CLIENT, credential)
    return simulated


def credential_with(simulated: Simulated, assertion: str) -> ClientAssertionCredential:
    return ClientAssertionCredential(TENANT, CLIENT, lambda: assertion, **simulated.options)


async def test_a_federated_token_is_exchanged(federated: Simulated) -> None:
    async with credential_with(federated, service_account_token()) as credential:
        token = await credential.get_token("https://management.azure.com/.default")

    identity = federated.identities.authenticate(f"Bearer {token.token}", ARM_AUDIENCES)
    assert identity.object_id == OBJECT


@pytest.mark.parametrize("wrong", ["subject", "key"])
async def test_another_subjects_or_keys_token_is_refused(federated: Simulated, wrong: str) -> None:
    assertion = service_account_token(subject="system:serviceaccount:other:operator")
    if wrong == "key":
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        assertion = service_account_token(key=other)

    async with credential_with(federated, assertion) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
            await credential.get_token("https://management.azure.com/.default")


async def test_a_principal_without_a_secret_takes_none(federated: Simulated) -> None:
    principal = federated.identities.find(CLIENT)

    assert principal is not None
    assert not federated.identities.secret_matches(principal, "")
