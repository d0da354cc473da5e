"""User delegation keys: issued to an identity for days, and what SAS signed with them stand on.

A key's value is computed from all that it was issued with, so one altered field makes another key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from azure_simulator.storage.operations import StorageService
from azure_simulator.storage.wire import StorageError

LONGEST = timedelta(days=7)
_SIGNED_SERVICE: Mapping[StorageService, str] = {"blob": "b", "queue": "q"}
_FIELDS = ("skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid")
_FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a client asks a key for."""

    start: datetime
    expiry: datetime
    delegated_tenant: str = ""


def parsed_time(text: str) -> datetime:
    """Read a time as SAS and keys have it, with fewer or more than six digits of a second too."""
    whole, dot, fraction = text.partition(".")
    if dot:
        text = f"{whole}.{fraction.removesuffix('Z')[:6]}Z"
    for layout in _FORMATS:
        try:
            return datetime.strptime(text, layout).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError(f"no time: {text}")


def key_request(body: bytes, now: datetime) -> KeyRequest:
    """Read the request's XML; raise where Azure refuses what it asks for."""
    try:
        info = ET.fromstring(body)  # noqa: S314 - a client on loopback
    except ET.ParseError as error:
        raise StorageError(
            400, "InvalidXmlDocument", "XML specified is not syntactically valid."
        ) from error
    expiry = _time_of(info, "Expiry")
    start = _time_of(info, "Start") if info.findtext("Start") else now
    if start >= expiry or expiry <= now:
        raise _invalid_value("Expiry", "The expiry must be in the future and behind the start.")
    if expiry > now + LONGEST + timedelta(minutes=1) or start > now + LONGEST:
        raise _invalid_value("Expiry", "A key lasts at most seven days from now.")
    return KeyRequest(start, expiry, info.findtext("DelegatedUserTid") or "")


def _time_of(info: ET.Element, name: str) -> datetime:
    try:
        return parsed_time(info.findtext(name) or "")
    except ValueError as error:
        raise _invalid_value(name, "The time is malformed.") from error


def _invalid_value(name: str, reason: str) -> StorageError:
    return StorageError(
        400,
        "InvalidXmlNodeValue",
        "The value for one of the XML nodes is not in the correct format.",
        {"XmlNodeName": name, "Reason": reason},
    )


class DelegationKeys:
    """Issues keys and computes them again from the fields of a SAS.

    *revocations* tells how often an account's keys were revoked: each time ends all before it.
    """

    def __init__(self, revocations: Callable[[str], int] = lambda _account: 0) -> None:
        self._secret = secrets.token_bytes(32)
        self._revocations = revocations

    def issue(
        self,
        account: str,
        service: StorageService,
        asked: KeyRequest,
        identity: tuple[str, str],
        version: str,
    ) -> bytes:
        """Return the XML answer; *identity* is an object id and its tenant."""
        fields = {
            "skoid": identity[0],
            "sktid": identity[1],
            "skt": asked.start.strftime(_FORMATS[0]),
            "ske": asked.expiry.strftime(_FORMATS[0]),
            "sks": _SIGNED_SERVICE[service],
            "skv": version,
            "skdutid": asked.delegated_tenant,
        }
        names = {
            "SignedOid": "skoid",
            "SignedTid": "sktid",
            "SignedStart": "skt",
            "SignedExpiry": "ske",
            "SignedService": "sks",
            "SignedVersion": "skv",
        }
        if asked.delegated_tenant:
            names["SignedDelegatedUserTid"] = "skdutid"
        body = "".join(f"<{name}>{escape(fields[field])}</{name}>" for name, field in names.items())
        value = f"<Value>{self.value(account, fields)}</Value>"
        declaration = '<?xml version="1.0" encoding="utf-8"?>'
        return f"{declaration}<UserDelegationKey>{body}{value}</UserDelegationKey>".encode()

    def value(self, account: str, fields: Mapping[str, str]) -> str:
        """Return the base64 key that a SAS with *fields* must have been signed with."""
        revoked = str(self._revocations(account))
        text = "\n".join([account, revoked, *(fields.get(name, "") for name in _FIELDS)])
        return base64.b64encode(hmac.digest(self._secret, text.encode(), hashlib.sha256)).decode()


def is_for(service: StorageService, fields: Mapping[str, str]) -> bool:
    """Tell whether the key behind a SAS was issued for *service*."""
    return fields.get("sks") == _SIGNED_SERVICE[service]
