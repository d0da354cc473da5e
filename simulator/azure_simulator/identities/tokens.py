"""Access tokens: JSON Web Tokens that the tenant signs, and what is wrong with others."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Flaw = Literal["missing", "malformed", "signature", "tenant", "audience", "expired", "not yet"]

#: What Azure Resource Manager, Azure Storage and Microsoft Graph take; Entra ID keeps or drops the
#: last slash as the scope that was asked for did.
ARM_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
STORAGE_AUDIENCES = ("https://storage.azure.com",)
GRAPH_AUDIENCES = ("https://graph.microsoft.com",)

#: Entra ID's default for an application's token.
LIFETIME_S = 3599


class TokenRefused(Exception):
    """A bearer token is missing or not good; *flaw* says why, never with the token in it."""

    def __init__(self, flaw: Flaw, message: str) -> None:
        super().__init__(message)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a good token speaks for."""

    client_id: str
    object_id: str
    tenant_id: str


def encoded(data: bytes) -> str:
    """Return base64url without padding, as JSON Web Tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes behind base64url without padding; ValueError where it is none."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class TokenIssuer:
    """One tenant's signing key: makes tokens and verifies them."""

    def __init__(self, tenant_id: str, clock: Callable[[], float] = time.time) -> None:
        self.tenant_id = tenant_id
        self.issuer = f"https://sts.windows.net/{tenant_id}/"
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key().public_numbers()
        self._modulus = public.n.to_bytes(256, "big")
        self._key_id = encoded(hashlib.sha256(self._modulus).digest()[:20])

    def key_set(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key Set."""
        key = {
            "kty": "RSA",
            "use": "sig",
            "kid": self._key_id,
            "n": encoded(self._modulus),
            "e": "AQAB",
            "issuer": self.issuer,
        }
        return {"keys": [key]}

    def issue(
        self, client_id: str, object_id: str, audience: str, lifetime_s: int = LIFETIME_S
    ) -> str:
        """Return a token; a negative *lifetime_s* makes one that has expired."""
        now = int(self._clock())
        claims = {
            "aud": audience,
            "iss": self.issuer,
            "iat": now,
            "nbf": min(now, now + lifetime_s) - 5,
            "exp": now + lifetime_s,
            "appid": client_id,
            "appidacr": "1",
            "idp": self.issuer,
            "idtyp": "app",
            "oid": object_id,
            "sub": object_id,
            "tid": self.tenant_id,
            "uti": encoded(uuid.uuid4().bytes),
            "ver": "1.0",
        }
        header = {"typ": "JWT", "alg": "RS256", "kid": self._key_id, "x5t": self._key_id}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encoded(signature)}"

    def verify(self, token: str, audiences: Collection[str]) -> Identity:
        """Return who *token* speaks for, or raise `TokenRefused`.

        *audiences* are without a last slash.
        """
        claims = claims_of(token)
        if claims.get("tid") != self.tenant_id:
            raise TokenRefused("tenant", f"issued by tenant {claims.get('tid')}")
        verify_signature(token, self._key.public_key())
        if str(claims.get("aud", "")).rstrip("/") not in audiences:
            raise TokenRefused("audience", f"the audience is {claims.get('aud')}")
        now = self._clock()
        if now >= float(claims.get("exp", 0)):
            raise TokenRefused("expired", f"expired at {claims.get('exp')}")
        if now < float(claims.get("nbf", 0)):
            raise TokenRefused("not yet", f"not valid before {claims.get('nbf')}")
        return Identity(str(claims["appid"]), str(claims["oid"]), self.tenant_id)


def claims_of(token: str) -> Mapping[str, Any]:
    """Return what *token* claims, nothing of it verified, or raise `TokenRefused`."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(decoded(payload))
    except ValueError as error:
        raise TokenRefused("malformed", "not a JSON Web Token") from error
    if not isinstance(claims, dict):
        raise TokenRefused("malformed", "the claims are no object")
    return claims


def verify_signature(token: str, key: rsa.RSAPublicKey) -> None:
    """Raise `TokenRefused` unless *token* was signed (RS256) by *key*'s owner."""
    signed, _, signature = token.rpartition(".")
    try:
        key.verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError) as error:
        raise TokenRefused("signature", "not signed by the issuer's key") from error


def bearer(authorization: str | None) -> str:
    """Return the token of an `Authorization` header, or raise `TokenRefused`."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenRefused("missing", "no bearer token")
    return token.strip()
