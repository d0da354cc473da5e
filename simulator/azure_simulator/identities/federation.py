"""Federated credentials: whose tokens, a Kubernetes ServiceAccount's, stand for a client secret."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from azure_simulator.identities.tokens import TokenRefused, claims_of, verify_signature

#: What a token must be issued for to be exchanged.
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """Whose tokens are accepted: *subject*'s, issued by *issuer*, signed for *key*."""

    issuer: str
    subject: str
    key: rsa.RSAPublicKey

    @classmethod
    def parse(cls, issuer: str, subject: str, public_key: str) -> FederatedCredential:
        """Read *public_key* (PEM); ValueError where it is no RSA key."""
        key = serialization.load_pem_public_key(public_key.encode())
        if not isinstance(key, rsa.RSAPublicKey):
            raise TypeError("a federated credential needs an RSA key")
        return cls(issuer, subject, key)

    def accepts(self, assertion: str, clock: Callable[[], float] = time.time) -> bool:
        """Tell whether *assertion* is a good token of this credential's subject."""
        try:
            claims = claims_of(assertion)
            verify_signature(assertion, self.key)
        except TokenRefused:
            return False
        audiences = claims.get("aud")
        named = audiences if isinstance(audiences, list) else [audiences]
        return (
            (claims.get("iss"), claims.get("sub")) == (self.issuer, self.subject)
            and EXCHANGE_AUDIENCE in named
            and clock() < float(claims.get("exp", 0))
        )
