"""The bodies of what a rewind makes: a disk as the VM's own is today, and a snapshot of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import joined_tags
from vmbackup_operator.environments.bodies import Body, body_at, text_at, value_at
from vmbackup_operator.model.restore_session import RestoreTarget
from vmbackup_operator.restores.planning.rules import DISK_TREE, Fate
from vmbackup_operator.restores.planning.sifting import sift
from vmbackup_operator.restores.planning.tagging import restored_tags

_PROVISIONED: Final = ("ultrassd_", "premiumv2_")
#: Who may read the new disk by a SAS is who may read the one of today.
_ACCESS: Final = ("networkAccessPolicy", "publicNetworkAccess", "diskAccessId")
#: What of a disk's making is said again where Azure copies its content.
_OF_ITS_MAKING: Final = ("logicalSectorSize", "performancePlus")


def disk_body(today: Mapping[str, Any], size_gib: int, target: RestoreTarget) -> Body:
    """Return the body of the disk that takes the place of the one that Azure describes so."""
    body: Body = dict(today)
    sku = folded(text_at(body, "sku", "name"))
    kept = sift(body, DISK_TREE, frozenset(_holding(body, sku, size_gib))).body
    properties = {
        **body_at(kept, "properties"),
        **_named(body_at(body, "properties"), _ACCESS),
        "creationData": _making(body, sku),
        "diskSizeGB": size_gib,
    }
    tags = restored_tags(body, target)
    return {**kept, "location": text_at(body, "location"), "tags": tags, "properties": properties}


def snapshot_body(region: str, tags: Mapping[str, str]) -> Body:
    """Return the body of a snapshot of today's disk: incremental, and closed to everybody."""
    return {
        "location": region,
        "tags": {**joined_tags(tags)},
        "properties": {
            "incremental": True,
            "networkAccessPolicy": "DenyAll",
            "publicNetworkAccess": "Disabled",
        },
    }


def _holding(body: Body, sku: str, size_gib: int) -> Iterator[Fate]:
    """Yield which of the rules' conditions hold: the new disk lies where the one of today does."""
    yield from ("region", "place", "group")
    if sku.startswith(_PROVISIONED):
        yield "provisioned"
    if sku.startswith("premium_"):
        yield "premium"
        if value_at(body, "properties", "diskSizeGB") == size_gib:
            yield "tier"


def _making(body: Body, sku: str) -> Body:
    made = _named(body_at(body, "properties", "creationData"), _OF_ITS_MAKING)
    if not sku.startswith(_PROVISIONED):
        made.pop("logicalSectorSize", None)
    return made


def _named(body: Body, names: tuple[str, ...]) -> Body:
    return {name: body[name] for name in names if name in body}
