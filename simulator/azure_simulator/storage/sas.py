"""Shared access signatures in front of Azurite: signature, times, protocol and permissions.

Account, service and user delegation SAS as the current SDKs make them; what Azure would enforce
and nothing here can (a caller's address, stored policies) is refused instead of ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from azure_simulator.storage import signing
from azure_simulator.storage.delegation import DelegationKeys, is_for, parsed_time
from azure_simulator.storage.operations import StorageService, Target
from azure_simulator.storage.wire import StorageError, authentication_failed, not_simulated

#: Every query parameter that belongs to a SAS and not to the operation.
SAS_PARAMETERS = frozenset(
    [
        "sv",
        "ss",
        "srt",
        "sp",
        "st",
        "se",
        "spr",
        "sip",
        "sig",
        "si",
        "sr",
        "ses",
        "sdd",
        "saoid",
        "suoid",
        "scid",
        "skoid",
        "sktid",
        "skt",
        "ske",
        "sks",
        "skv",
        "skdutid",
        "sduoid",
        "srh",
        "srq",
        "rscc",
        "rscd",
        "rsce",
        "rscl",
        "rsct",
    ]
)
_OLDEST = "2020-12-06"
_NEWEST = "2026-10-06"
_QUEUES_DELEGATED_SINCE = "2026-02-06"
_NOT_SIMULATED = ("si", "ses", "saoid", "suoid", "scid", "rscc", "rscd", "rsce", "rscl", "rsct")

Kind = Literal["account sas", "service sas", "delegation sas"]


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that comes with a SAS; *fields* is its whole query, decoded."""

    service: StorageService
    account: str
    target: Target
    fields: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def kind(self) -> Kind:
        """Which of the three kinds of SAS it is."""
        if "ss" in self.fields or "srt" in self.fields:
            return "account sas"
        return "delegation sas" if "skoid" in self.fields else "service sas"

    @property
    def resource(self) -> str:
        """What a service SAS is signed for, canonically."""
        whole = f"/{self.service}/{self.account}/{self.target.container}"
        return f"{whole}/{self.target.item}" if self.fields.get("sr") == "b" else whole


def check(signed: Signed, account_keys: Sequence[str], keys: DelegationKeys, now: datetime) -> None:
    """Raise Azure's refusal unless the SAS lets do what the request does."""
    fields = signed.fields
    _check_fields(signed)
    if signed.kind == "delegation sas":
        account_keys = [keys.value(signed.account, fields)]
    text, sent = _text(signed), fields.get("sig", "")
    if not any(signing.same(signing.signature(key, text), sent) for key in account_keys):
        raise authentication_failed(f"Signature did not match. String to sign used was {text}")
    _check_times(fields, now)
    if "sip" in fields:  # a caller here has no address that Azure would have seen
        raise _mismatch("SourceIP", "source IP")
    if fields.get("spr", "https") not in ("https", "https,http"):
        raise _mismatch("Protocol", "protocol")
    _check_permissions(signed)


def _check_fields(signed: Signed) -> None:
    fields = signed.fields
    for name in _NOT_SIMULATED:
        if name in fields:
            raise not_simulated(f"the SAS field {name}")
    version = fields.get("sv", "")
    oldest = _OLDEST
    if signed.kind == "delegation sas":
        oldest = _QUEUES_DELEGATED_SINCE if signed.service == "queue" else _OLDEST
        if not is_for(signed.service, fields):
            raise authentication_failed("The key was issued for another service.")
    if not oldest <= version <= _NEWEST:
        raise authentication_failed(f"sv={version} is not between {oldest} and {_NEWEST}.")
    if signed.service == "blob" and signed.kind != "account sas":
        _check_resource(fields.get("sr", ""))


def _check_resource(kind: str) -> None:
    if kind in ("bs", "bv", "d"):
        raise not_simulated(f"a SAS with sr={kind}")
    if kind not in ("b", "c"):
        raise authentication_failed("sr is mandatory. Cannot be empty")


def _text(signed: Signed) -> str:
    if signed.kind == "account sas":
        return signing.account_sas_text(signed.account, signed.fields)
    if signed.service == "queue":
        return signing.queue_sas_text(signed.resource, signed.fields)
    return signing.blob_sas_text(signed.resource, signed.fields, _bound(signed))


def _bound(signed: Signed) -> tuple[str, str]:
    """Return the texts of the headers and parameters that a delegation SAS is bound to."""
    headers = [name for name in signed.fields.get("srh", "").split(",") if name]
    parameters = [name for name in signed.fields.get("srq", "").split(",") if name]
    return (
        "".join(f"{name}:{signed.headers.get(name, '')}\n" for name in headers),
        "".join(f"\n{name}:{signed.fields.get(name.lower(), '')}" for name in parameters),
    )


def _check_times(fields: Mapping[str, str], now: datetime) -> None:
    try:
        starts = [parsed_time(fields[name]) for name in ("st", "skt") if fields.get(name)]
        ends = [parsed_time(fields[name]) for name in ("se", "ske") if fields.get(name)]
    except ValueError as error:
        raise authentication_failed("A time of the SAS is malformed.") from error
    if not fields.get("se"):
        raise authentication_failed("se is mandatory. Cannot be empty")
    if any(start > now for start in starts) or any(end <= now for end in ends):
        raise authentication_failed(
            "Signature not valid in the specified time frame: "
            f"Start [{fields.get('st', '')}] - Expiry [{fields['se']}] - Current [{now:%c}]"
        )


def _check_permissions(signed: Signed) -> None:
    operation, fields = signed.target.operation, signed.fields
    if signed.kind == "account sas":
        if signed.service[0] not in fields.get("ss", ""):
            raise _mismatch("Service", "service")
        if operation.level[0] not in fields.get("srt", ""):
            raise _mismatch("ResourceType", "resource type")
    elif operation.level != "object" and fields.get("sr") == "b":
        raise _mismatch("ResourceType", "resource type")
    letters = operation.account_sas if signed.kind == "account sas" else operation.sas
    if not set(letters) & set(fields.get("sp", "")):
        raise _mismatch("Permission", "permission")
    if "x-ms-tags" in signed.headers and "t" not in fields.get("sp", ""):
        raise _mismatch("Permission", "permission")


def _mismatch(code: str, words: str) -> StorageError:
    return StorageError(
        403,
        f"Authorization{code}Mismatch",
        f"This request is not authorized to perform this operation using this {words}.",
    )
