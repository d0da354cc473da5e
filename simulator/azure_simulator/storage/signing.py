"""Azure Storage's signatures: SharedKey requests, and the texts that SAS are signed over."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence

#: A header's name and value.
Header = tuple[str, str]
#: A key to sort header names by.
Order = tuple[str, str]

_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def signature(key: str, text: str) -> str:
    """Return base64 of the HMAC-SHA256 of *text* under the base64 *key*."""
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def same(one: str, other: str) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def collated(name: str) -> Order:
    """Return a key that sorts header names as ICU does, as Azurite: _ - digits letters."""
    return name.translate({ord("_"): "\x01", ord("-"): "\x02"}), ""


def without_hyphens(name: str) -> Order:
    """Return a key that sorts header names as Azure does, where a hyphen hardly counts."""
    return name.replace("-", ""), name


def plain(name: str) -> Order:
    """Return a key that sorts header names by their code points, as some clients do."""
    return name, ""


def shared_key_text(
    method: str,
    resource: str,
    headers: Iterable[Header],
    query: Sequence[tuple[str, str]],
    order: Callable[[str], Order] = collated,
) -> str:
    """Return what SharedKey signs; *resource* is the account's name and the encoded path.

    *query* is decoded. The order of x-ms headers differs between implementations: *order* is its
    key.
    """
    values = {name.lower(): value.strip() for name, value in headers}
    if values.get("content-length") == "0":
        del values["content-length"]
    vendor = sorted((name for name in values if name.startswith("x-ms-")), key=order)
    parameters: dict[str, list[str]] = {}
    for name, value in query:
        parameters.setdefault(name.lower(), []).append(value)
    return "\n".join(
        [
            method,
            *(values.get(name, "") for name in _SIGNED_HEADERS),
            *(f"{name}:{values[name]}" for name in vendor),
            f"/{resource}",
            *(f"{name}:{','.join(sorted(parameters[name]))}" for name in sorted(parameters)),
        ]
    )


def account_sas_text(account: str, fields: Mapping[str, str]) -> str:
    """Return what an account SAS signs (since 2020-12-06)."""
    names = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
    return "\n".join([account, *(fields.get(name, "") for name in names), ""])


def blob_sas_text(
    resource: str, fields: Mapping[str, str], bound: tuple[str, str] = ("", "")
) -> str:
    """Return what a service or user delegation SAS of the blob service signs.

    *resource* is ``/blob/account/container`` and, for a blob, its name; *bound* are the texts of
    the headers and query parameters that a user delegation SAS may be bound to.
    """
    snapshot = ""  # a snapshot's own SAS (sr=bs) is not simulated
    common = [*(fields.get(name, "") for name in ("sip", "spr", "sv", "sr")), snapshot]
    common.append(fields.get("ses", ""))
    overrides = [fields.get(name, "") for name in ("rscc", "rscd", "rsce", "rscl", "rsct")]
    if "skoid" not in fields:
        return "\n".join([*_first(resource, fields), fields.get("si", ""), *common, *overrides])
    version = fields.get("sv", "")
    key = _key_fields(fields) + [fields.get(name, "") for name in ("saoid", "suoid", "scid")]
    delegated = [fields.get("skdutid", ""), fields.get("sduoid", "")]
    return "\n".join(
        [
            *_first(resource, fields),
            *key,
            *(delegated if version >= "2025-07-05" else ()),
            *common,
            *(bound if version >= "2026-04-06" else ()),
            *overrides,
        ]
    )


def queue_sas_text(resource: str, fields: Mapping[str, str]) -> str:
    """Return what a service or user delegation SAS of the queue service signs."""
    common = [fields.get(name, "") for name in ("sip", "spr", "sv")]
    if "skoid" not in fields:
        return "\n".join([*_first(resource, fields), fields.get("si", ""), *common])
    delegated = [fields.get("skdutid", ""), fields.get("sduoid", "")]
    return "\n".join([*_first(resource, fields), *_key_fields(fields), *delegated, *common])


def _first(resource: str, fields: Mapping[str, str]) -> list[str]:
    return [*(fields.get(name, "") for name in ("sp", "st", "se")), resource]


def _key_fields(fields: Mapping[str, str]) -> list[str]:
    return [fields.get(name, "") for name in ("skoid", "sktid", "skt", "ske", "sks", "skv")]
