"""What a recovery point says of its VM: Azure's bodies, in the form that repositories have."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any, Literal

import msgspec

from vmbackup_operator.model.exclusions import ExcludedDisk

#: The most that a recovery point takes, in bytes.
MOST_BYTES = 262_144
#: The most characters that an object takes of it, packed.
MOST_PACKED = 65_536
#: So many network interfaces a VM may have by the format; Azure lets it have fewer.
MOST_INTERFACES = 64

#: What is left out where all of it does not fit, the least needed first.
_LEFT_OUT = ((), ("disks",), ("disks", "networkInterfaces"), ("disks", "networkInterfaces", "vm"))


class VmDescription(msgspec.Struct, frozen=True, rename="camel"):
    """A VM as Azure described it, or as its session resolved it where it had gone.

    *excluded_disks* are those of it that its point does not have, left out by what was asked for.
    """

    source: Literal["resource-manager", "session"]
    virtual_machine: dict[str, Any] | None = None
    disks: tuple[dict[str, Any], ...] = ()
    network_interfaces: tuple[dict[str, Any], ...] = ()
    resolved: Any = None
    api_version: str | None = None
    schema: int = 1
    excluded_disks: tuple[ExcludedDisk, ...] = ()

    @property
    def text(self) -> str:
        """The JSON that a recovery point holds; what does not fit into one is left out."""
        for left_out in _LEFT_OUT:
            text = msgspec.json.encode(self._without(left_out), order="sorted")
            if len(text) <= MOST_BYTES:
                return text.decode()
        without = VmDescription(self.source, excluded_disks=self.excluded_disks)
        return msgspec.json.encode(without, order="sorted").decode()

    def _without(self, left_out: tuple[str, ...]) -> VmDescription:
        interfaces = self.network_interfaces[:MOST_INTERFACES]
        return VmDescription(
            source=self.source,
            virtual_machine=None if "vm" in left_out else self.virtual_machine,
            disks=() if "disks" in left_out else self.disks,
            network_interfaces=() if "networkInterfaces" in left_out else interfaces,
            resolved=self.resolved,
            api_version=self.api_version,
            schema=self.schema,
            excluded_disks=self.excluded_disks,
        )


def packed(text: str) -> str:
    """Return the description as an object has it; empty where it does not fit into one."""
    made = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return made if len(made) <= MOST_PACKED else ""


def unpacked(made: str) -> str:
    """Return the description that was packed; empty where *made* is none, or too long a one."""
    unzip = zlib.decompressobj()
    try:
        text = unzip.decompress(base64.b64decode(made, validate=True), MOST_BYTES)
        return text.decode() if unzip.eof else ""
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return ""


class _Excluded(msgspec.Struct, frozen=True, rename="camel"):
    """What of a description says which disks were left out."""

    excluded_disks: tuple[ExcludedDisk, ...] = ()


def with_excluded(text: str, excluded: tuple[ExcludedDisk, ...]) -> str:
    """Return the description *text* with the disks that were left out, unchanged without any.

    What can't be read stays as it is.
    """
    if not excluded:
        return text
    try:
        described = msgspec.json.decode(text, type=VmDescription)
    except msgspec.DecodeError:
        return text
    return msgspec.structs.replace(described, excluded_disks=excluded).text


def excluded_in(text: str) -> tuple[ExcludedDisk, ...]:
    """Return the disks that the description says were left out; none where it can't be read."""
    # Descriptions are long, and nearly all say that there are none.
    if '"excludedDisks":[]' in text or '"excludedDisks"' not in text:
        return ()
    try:
        return msgspec.json.decode(text, type=_Excluded).excluded_disks
    except msgspec.DecodeError:
        return ()
