"""Azure's host names: which service each belongs to, and its name under ``privatelink``."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

ServiceName = Literal["token", "graph", "arm", "blob", "queue", "export"]

#: Names that only the internet knows.
PUBLIC_NAMES: dict[str, ServiceName] = {
    "login.microsoftonline.com": "token",
    "graph.microsoft.com": "graph",
    "management.azure.com": "arm",
}

#: The data planes of a storage account: a private endpoint's group id is the same word.
ACCOUNT_SERVICES: tuple[Literal["blob", "queue"], ...] = ("blob", "queue")

#: What stands in for Azure's public addresses: RFC 2544's, which nobody routes.
PUBLIC_RANGE = ipaddress.ip_network("198.18.0.0/15")

_ACCOUNT = re.compile(r"(?P<label>[a-z0-9]{3,24})\.(?P<service>blob|queue)\.core\.windows\.net")
_EXPORT = re.compile(r"(?P<label>md-[a-z0-9-]+)\.z[0-9]+\.blob\.storage\.azure\.net")
_PRIVATE = re.compile(
    r"(?P<label>[a-z0-9-]+)\.privatelink\.(?P<service>blob|queue)\.core\.windows\.net"
)


@dataclass(frozen=True, slots=True)
class AzureName:
    """A name taken apart: *label* is the account's name, or an export host's first label."""

    service: ServiceName
    label: str

    @property
    def needs_endpoint(self) -> bool:
        """Tell whether this is a disk access's export host, which has no public way."""
        return self.service == "export" and self.label.startswith("md-impexp-")


def parse_name(name: str) -> AzureName | None:
    """Return what *name* (lower case) says, or None where nothing of Azure's answers to it."""
    if name in PUBLIC_NAMES:
        return AzureName(PUBLIC_NAMES[name], name)
    if match := _ACCOUNT.fullmatch(name):
        return AzureName("blob" if match["service"] == "blob" else "queue", match["label"])
    if match := _EXPORT.fullmatch(name):
        return AzureName("export", match["label"])
    return None


def account_name(account: str, service: Literal["blob", "queue"]) -> str:
    """Return the public host name of a storage account's data plane."""
    return f"{account}.{service}.core.windows.net"


def private_name(name: AzureName) -> str:
    """Return the name that *name*'s public CNAME points to; exports share blob's zone."""
    service = "queue" if name.service == "queue" else "blob"
    return f"{name.label}.privatelink.{service}.core.windows.net"


def private_label(name: str) -> tuple[str, str] | None:
    """Return label and service of a name under ``privatelink``, or None where it is not one."""
    match = _PRIVATE.fullmatch(name)
    return (match["label"], match["service"]) if match else None


def public_address(label: str) -> str:
    """Return the public address of what is called *label*: always the same one."""
    digest = int.from_bytes(hashlib.sha256(label.encode()).digest()[:4], "big")
    # Neither the network's own address nor the one that a VM's loopback takes to catch the range.
    return str(PUBLIC_RANGE[2 + digest % (PUBLIC_RANGE.num_addresses - 3)])
