"""What ``--repository`` and a SAS say: a directory, or a container of one of Azure's clouds.

Whatever is refused is not repeated where it may hold a secret: a SAS, a user's name or password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from vmbackup_core.errors import PermanentError

#: The blob service in Azure's public cloud, its US government's and China's.
BLOB_SUFFIXES = (
    "blob.core.windows.net",
    "blob.core.usgovcloudapi.net",
    "blob.core.chinacloudapi.cn",
)

_ACCOUNT = r"[a-z0-9]{3,24}(?:-secondary)?"
#: Of accounts with DNS zone endpoints the zone's number stands before the service.
_ZONE = r"z[0-9]{2}\.blob\.storage\.azure\.net"
_HOST = re.compile(rf"{_ACCOUNT}\.(?:{'|'.join(map(re.escape, BLOB_SUFFIXES))}|{_ZONE})")
_CONTAINER = re.compile(r"/(?=[^/]{3,63}/?$)[a-z0-9](?:-?[a-z0-9])*/?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_SIGNATURE = re.compile(r"[?&]sig=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Folder:
    """A repository in a directory."""

    path: Path


@dataclass(frozen=True, slots=True)
class Container:
    """A repository in a container; *sas* is empty where an identity is to be used."""

    url: str
    sas: str = field(default="", repr=False)


def read_address(text: str, sas: str | None) -> Folder | Container:
    """Return what *text* names, with the SAS that came by another way; raise PermanentError."""
    if _SIGNATURE.search(text) or (_SCHEME.match(text) and "?" in text):
        raise PermanentError(
            "a SAS on the command line is seen by everybody on this machine, and stays in the"
            " shell's history",
            reason="SasOnCommandLine",
        )
    if _SCHEME.match(text) is None:
        return Folder(Path(text))
    return Container(_url_of(text), "" if sas is None else read_sas(sas))


def read_sas(text: str) -> str:
    """Return the SAS in *text*: alone, behind a question mark, or at the end of a URL."""
    sas = text.strip().rpartition("?")[2]
    if not sas.isascii() or any(one.isspace() for one in sas) or "sig" not in parse_qs(sas):
        raise PermanentError("what was given as a SAS is none", reason="InvalidSas")
    return sas


def _url_of(text: str) -> str:
    try:
        url = urlsplit(text)
        host, port, names_user = url.hostname or "", url.port, "@" in url.netloc
    except ValueError:  # the library's own for brackets and ports that are none
        raise _refused("what --repository names", "is no URL") from None
    if names_user or "@" in text:
        raise _refused("the URL of --repository", "holds a user's name or password: leave it out")
    shown = f"{url.scheme}://{host}{url.path}"
    why = _objection(url, host, port)
    if why:
        raise _refused(shown, why)
    return f"https://{host}{url.path.rstrip('/')}"


def _objection(url: SplitResult, host: str, port: int | None) -> str:
    """Return what is wrong with the address of a container, or nothing."""
    if url.scheme == "http":
        return "is not encrypted: https is"
    if url.scheme != "https" or url.fragment or port not in {None, 443}:
        return "is no address of a container"
    if _HOST.fullmatch(host) is None:
        return f"is in none of Azure's clouds: ACCOUNT.{', ACCOUNT.'.join(BLOB_SUFFIXES)} are"
    if _CONTAINER.fullmatch(url.path) is None:
        return "is no address of a container"
    return ""


def _refused(what: str, why: str) -> PermanentError:
    return PermanentError(f"{what} {why}", reason="InvalidAddress")
