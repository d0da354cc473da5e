"""Who may do what with a storage account: tokens and roles, SharedKey, SAS.

Azurite checks no token's signature or role and takes the account's key whatever the account says;
this is where Azure's rules are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

from azure_simulator.identities.directory import Identities
from azure_simulator.identities.tokens import STORAGE_AUDIENCES, Identity, TokenRefused
from azure_simulator.storage import sas, signing
from azure_simulator.storage.delegation import DelegationKeys
from azure_simulator.storage.operations import Need, Operation, StorageService, Target
from azure_simulator.storage.wire import StorageError, authentication_failed

_CLOCK_SKEW = timedelta(minutes=15)  # how old Azure lets a SharedKey request be
_BEARER_SINCE = "2017-11-09"

Scheme = Literal["token", "shared key", "account sas", "service sas", "delegation sas"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as its rights depend on it; *query* is decoded and in order."""

    service: StorageService
    account: str
    account_id: str
    target: Target
    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]

    @property
    def fields(self) -> Mapping[str, str]:
        """The query's values by lower-case name."""
        return {name.lower(): value for name, value in self.query}

    @property
    def scope(self) -> str:
        """The ARM id that the request's roles are looked up at."""
        if not self.target.container:
            return self.account_id
        kind = "containers" if self.service == "blob" else "queues"
        services = f"{self.service}Services/default"
        return f"{self.account_id}/{services}/{kind}/{self.target.container}"


@dataclass(frozen=True, slots=True)
class Granted:
    """A request that may be done: by whom, and whether only where it replaces nothing."""

    scheme: Scheme
    object_id: str = ""
    new_only: bool = False


class Authorizer:
    """Says who may do what; *now* is wall time."""

    def __init__(
        self,
        identities: Identities,
        keys: DelegationKeys,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._identities = identities
        self._keys = keys
        self._now = now

    def grant(self, asked: Asked, account_keys: Sequence[str]) -> Granted:
        """Return what the request may do; raise Azure's refusal otherwise.

        Without *account_keys* the account takes neither keys nor what is signed with them.
        """
        header = asked.headers.get("Authorization", "")
        scheme = header.partition(" ")[0].lower()
        if "sig" in asked.fields:
            return self._by_sas(asked, account_keys)
        if scheme == "bearer":
            identity = self.identity(asked)
            new_only = self._new_only(identity.object_id, asked)
            return Granted("token", identity.object_id, new_only)
        if scheme == "sharedkey":
            return self._by_key(asked, account_keys)
        if header:
            raise authentication_failed("The authentication scheme is not supported.")
        raise self._challenge(
            "NoAuthenticationInformation",
            "Server failed to authenticate the request. "
            "Please refer to the information in the www-authenticate header.",
        )

    def identity(self, asked: Asked) -> Identity:
        """Return whom the request's bearer token speaks for; raise Azure's refusal otherwise."""
        if asked.headers.get("x-ms-version", "") < _BEARER_SINCE:
            raise authentication_failed(
                "Authentication scheme Bearer is not supported in this version."
            )
        try:
            return self._identities.authenticate(
                asked.headers.get("Authorization"), STORAGE_AUDIENCES
            )
        except TokenRefused as error:
            raise self._challenge(
                "InvalidAuthenticationInfo",
                "Server failed to authenticate the request. Please refer to the information in "
                "the www-authenticate header.",
                str(error),
            ) from error

    def _challenge(self, code: str, message: str, detail: str = "") -> StorageError:
        authority = f"https://login.microsoftonline.com/{self._identities.tenant_id}"
        challenge = (
            f"Bearer authorization_uri={authority}/oauth2/authorize "
            "resource_id=https://storage.azure.com"
        )
        details = {"AuthenticationErrorDetail": detail} if detail else {}
        return StorageError(401, code, message, details, {"WWW-Authenticate": challenge})

    def _new_only(self, object_id: str, asked: Asked) -> bool:
        """Tell whether roles let create only; raise where they do not let do it at all."""
        operation = asked.target.operation
        for needs in operation.roles:
            if all(self._may(object_id, need, asked.scope) for need in needs):
                return _creates_only(operation, needs)
        raise StorageError(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        )

    def _may(self, object_id: str, need: Need, scope: str) -> bool:
        return self._identities.allowed(object_id, need.action, scope, data=need.data)

    def _by_key(self, asked: Asked, account_keys: Sequence[str]) -> Granted:
        if not account_keys:
            raise key_not_permitted()
        _, _, credentials = asked.headers["Authorization"].partition(" ")
        account, _, sent = credentials.partition(":")
        if account != asked.account:
            raise authentication_failed("The account of the signature is another one.")
        self._check_date(asked.headers)
        texts = (
            signing.shared_key_text(
                asked.method,
                asked.account + asked.path,
                list(asked.headers.items()),
                asked.query,
                order,
            )
            for order in (signing.without_hyphens, signing.plain, signing.collated)
        )
        if not any(
            signing.same(signing.signature(key, text), sent)
            for text in texts
            for key in account_keys
        ):
            raise authentication_failed("The MAC signature found in the HTTP request is not right.")
        return Granted("shared key")

    def _check_date(self, headers: Mapping[str, str]) -> None:
        try:
            at = parsedate_to_datetime(headers.get("x-ms-date") or headers.get("Date") or "")
        except ValueError as error:
            raise authentication_failed("The request has no date.") from error
        if abs(self._now() - at) > _CLOCK_SKEW:
            raise authentication_failed("Request date header too old or in the future.")

    def _by_sas(self, asked: Asked, account_keys: Sequence[str]) -> Granted:
        signed = sas.Signed(asked.service, asked.account, asked.target, asked.fields, asked.headers)
        delegated = signed.kind == "delegation sas"
        if not delegated and not account_keys:
            raise key_not_permitted()
        bound_to = asked.fields.get("sduoid", "")
        if "Authorization" in asked.headers and not bound_to:
            raise authentication_failed("A request has either a SAS or an Authorization header.")
        sas.check(signed, account_keys, self._keys, self._now())
        operation = asked.target.operation
        letters = set(asked.fields.get("sp", ""))
        new_only = operation.overwrites_by is not None and operation.overwrites_by[0] not in letters
        if not delegated:
            return Granted(signed.kind, new_only=new_only)
        if bound_to and self.identity(asked).object_id != bound_to:
            raise authentication_failed("The SAS is bound to another identity.")
        object_id = asked.fields["skoid"]
        return Granted("delegation sas", object_id, self._new_only(object_id, asked) or new_only)


def key_not_permitted() -> StorageError:
    """Return the answer to a key, or a SAS signed with it, where the account allows none."""
    return StorageError(
        403,
        "KeyBasedAuthenticationNotPermitted",
        "Key based authentication is not permitted on this storage account.",
    )


def _creates_only(operation: Operation, needs: Sequence[Need]) -> bool:
    return operation.overwrites_by is not None and operation.overwrites_by[1] not in needs
