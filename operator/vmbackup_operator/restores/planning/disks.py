"""The disks of a plan: from what was recorded of a disk to the body that makes it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.environments.bodies import Body, body_at, text_at, texts_at
from vmbackup_operator.model.restore_session import DiskOverride, RestoreTarget
from vmbackup_operator.restores.planning.merge_patch import patched
from vmbackup_operator.restores.planning.places import Place, id_in
from vmbackup_operator.restores.planning.planned import DiskWanted
from vmbackup_operator.restores.planning.recorded import DiskHeld
from vmbackup_operator.restores.planning.rules import DISK_TREE, Fate
from vmbackup_operator.restores.planning.sifting import LeftOut, sift, told
from vmbackup_operator.restores.planning.tagging import check_tags, restored_tags

GIB: Final = 1 << 30
_CUSTOMER_KEY = "EncryptionAtRestWithCustomerKey"
#: What of a disk's making may be said again where its content is uploaded.
_OF_ITS_MAKING = ("logicalSectorSize", "performancePlus")
_PROVISIONED = ("ultrassd_", "premiumv2_")
_PREMIUM = "premium_"
#: What Azure takes of a disk only once its upload has ended.
_AFTER_UPLOAD = ("encryption", "dataAccessAuthMode")


@dataclass(frozen=True, slots=True)
class RecordedDisk:
    """A disk as the point has it: *body* is Azure's own, or what little else was kept of it."""

    position: str
    disk: DiskHeld
    body: Body

    @property
    def subject(self) -> str:
        return f"disk {self.position}"

    @property
    def sku(self) -> str:
        return text_at(self.body, "sku", "name")

    @property
    def place(self) -> Place | None:
        """Where it lay; None where Azure's own body was not kept."""
        return Place.of(self.body) if text_at(self.body, "id") else None


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """A disk to make, and what of the recorded one is not set again."""

    wanted: DiskWanted
    not_restored: tuple[str, ...]


def plan_disk(
    recorded: RecordedDisk, name: str, target: RestoreTarget, override: DiskOverride
) -> DiskPlan:
    """Return the disk that is made of *recorded*, called *name*."""
    size = _size(recorded, override)
    sku = _sku(recorded, target, override)
    sifted = sift(recorded.body, DISK_TREE, _holding(recorded, target, sku, size))
    notes = sifted.told(recorded.subject)
    notes += [left.said(recorded.subject) for left in sifted.left_out if _is_lost(left, recorded)]
    body = _aimed(sifted.body, recorded, target, sku)
    body = patched(body, override.patch, DISK_TREE, _where(recorded))
    notes += _leave_confidential(body, recorded)
    _check_encryption(body, recorded, target)
    check_tags(body, recorded.subject)
    body |= {"location": target.region}
    zones = texts_at(body, "zones")
    wanted = DiskWanted(
        position=recorded.position,
        id=id_in(target, "Microsoft.Compute/disks", name),
        name=name,
        size_bytes=size,
        region=target.region,
        zone=zones[0] if zones else None,
        body=_without_later(body),
        creation_data=_making(recorded, sku),
        after_upload=_later(body),
    )
    return DiskPlan(wanted, tuple(notes))


def _where(recorded: RecordedDisk) -> str:
    return f"the patch of disk {recorded.position} (spec.overrides.disks)"


def _size(recorded: RecordedDisk, override: DiskOverride) -> int:
    """Return the size of the disk to make, never less than that of the recorded one."""
    had = recorded.disk.size_bytes
    if override.size_gib is None:
        return had
    if override.size_gib * GIB < had:
        raise PermanentError(
            f"disk {recorded.position} has {had} bytes, and {override.size_gib} GiB do not hold "
            f"them: ask for {-(-had // GIB)} GiB or more",
            reason="TargetTooSmall",
        )
    return override.size_gib * GIB


def _sku(recorded: RecordedDisk, target: RestoreTarget, override: DiskOverride) -> str:
    """Return the SKU that the disk will have; the patch has the last word."""
    body: Body = {"sku": {"name": target.disk_sku or recorded.sku}}
    sku = text_at(patched(body, override.patch, DISK_TREE, _where(recorded)), "sku", "name")
    if not sku:
        raise PermanentError(
            f"the point does not say which SKU disk {recorded.position} had: set "
            "spec.target.diskSku",
            reason="DiskNotDescribed",
        )
    return sku


def _holding(
    recorded: RecordedDisk, target: RestoreTarget, sku: str, size_bytes: int
) -> frozenset[Fate]:
    """Return which of the rules' conditions hold for the disk to make."""
    place = recorded.place
    holding = set() if place is None else set(Place.of_target(target).holding(place))
    if _is_provisioned(sku) and _is_provisioned(recorded.sku):
        holding.add("provisioned")
    if _is_premium(sku):
        holding.add("premium")
        if _is_premium(recorded.sku) and size_bytes == recorded.disk.size_bytes:
            holding.add("tier")
    return frozenset(holding)


def _is_provisioned(sku: str) -> bool:
    return folded(sku).startswith(_PROVISIONED)


def _is_premium(sku: str) -> bool:
    return folded(sku).startswith(_PREMIUM)


def _is_lost(left: LeftOut, recorded: RecordedDisk) -> bool:
    """Tell whether the recorded disk had by choice what its restored one has not."""
    match left.rule.fate:
        case "provisioned":
            return _is_provisioned(recorded.sku)
        case "premium":
            return left.value is True
        case "tier":
            return _is_premium(recorded.sku)
        case _:
            return False


def _aimed(body: Body, recorded: RecordedDisk, target: RestoreTarget, sku: str) -> Body:
    """Return *body* as the session's target wants it."""
    aimed = body | {
        "sku": {**body_at(body, "sku"), "name": target.disk_sku or recorded.sku},
        "tags": restored_tags(body, target),
        "properties": dict(body_at(body, "properties")),
    }
    if target.zone is not None:
        aimed["zones"] = [target.zone]
    if folded(sku).endswith("_zrs"):
        aimed.pop("zones", None)
    if target.disk_encryption_set_id is not None:
        before = text_at(body, "properties", "encryption", "type")
        kind = before if "customer" in folded(before) else _CUSTOMER_KEY
        aimed["properties"] = {
            **body_at(aimed, "properties"),
            "encryption": {"type": kind, "diskEncryptionSetId": target.disk_encryption_set_id},
        }
    return aimed


def _leave_confidential(body: Body, recorded: RecordedDisk) -> list[str]:
    """Take the security type of a confidential VM out of *body*, and return what is told of it."""
    kind = text_at(body, "properties", "securityProfile", "securityType")
    if not folded(kind).startswith("confidentialvm"):
        return []
    body_at(body, "properties").pop("securityProfile")
    why = "the state of a confidential VM is not in a snapshot: the disk is an ordinary one"
    return [told(recorded.subject, "properties.securityProfile.securityType", why, kind)]


def _check_encryption(body: Body, recorded: RecordedDisk, target: RestoreTarget) -> None:
    """Refuse a recorded encryption set that cannot be used where the disk is made."""
    path = ("properties", "encryption", "diskEncryptionSetId")
    had, wanted, place = text_at(recorded.body, *path), text_at(body, *path), recorded.place
    if not had or not same_id(had, wanted) or place is None:
        return
    if not Place.of_target(target).takes_from(place):
        raise PermanentError(
            f"disk {recorded.position} was encrypted by {had}, which serves no disk in "
            f"{target.region} of subscription {target.subscription_id}: set "
            "spec.target.diskEncryptionSetId",
            reason="EncryptionSetOfAnotherRegion",
        )


def _making(recorded: RecordedDisk, sku: str) -> Body:
    """Return what ``creationData`` says beside the upload."""
    made = body_at(recorded.body, "properties", "creationData")
    kept = {name: made[name] for name in _OF_ITS_MAKING if name in made}
    if not _is_provisioned(sku):
        kept.pop("logicalSectorSize", None)
    return kept


def _later(body: Body) -> Body:
    """Return what is set once the content is whole; only keys of customers are not there before."""
    properties = body_at(body, "properties")
    later = {name: properties[name] for name in _AFTER_UPLOAD if name in properties}
    if not text_at(properties, "encryption", "diskEncryptionSetId"):
        later.pop("encryption", None)
    return {"properties": later} if later else {}


def _without_later(body: Body) -> Body:
    later = body_at(_later(body), "properties")
    properties = body_at(body, "properties")
    return body | {"properties": {k: v for k, v in properties.items() if k not in later}}
