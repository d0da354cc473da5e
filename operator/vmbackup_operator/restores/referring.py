"""What a plan refers to and does not make, and whether all of it is there and can be used: pure.

Azure looks at an encryption set or an identity only when the disks are whole, which is hours later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, body_at, text_at
from vmbackup_operator.model.restore_session import RestoreTarget
from vmbackup_operator.naming import ArmId, name_of, subscription_of
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.restores.planning.interfaces import subnets_of
from vmbackup_operator.restores.planning.places import region_name
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.sessions.target_ports import ResourceSeen

_SUBNETS = "/subnets/"
_ENCRYPTION_SET = ("properties", "encryption", "diskEncryptionSetId")
_ENCRYPTION_IDENTITY = (
    "properties",
    "securityProfile",
    "encryptionIdentity",
    "userAssignedIdentityResourceId",
)

#: Finds what was seen under an id; None: it is not there.
At = Callable[[str], ResourceSeen | None]


@dataclass(frozen=True, slots=True)
class Reference:
    """An id that a plan's body names; *type* is its resource type's last part, folded.

    *misplaced* is the reason where it serves only its own region and subscription, and lies in
    others; empty for what serves any. *instead* tells people what to do.
    """

    id: ArmId
    type: str
    words: str
    instead: str
    misplaced: str = ""

    @property
    def is_of_its_type(self) -> bool:
        """Whether the id names such a resource; a patch may have put anything there."""
        return folded(self.id).split("/")[-2:-1] == [self.type]


def looked_at(planned: Planned) -> Iterator[ArmId]:
    """Yield the ids of all that has to be there and is not made: a subnet is in its network."""
    yield from (network_of(subnet) for subnet in _subnets(planned))
    yield from (each.id for each in _references(planned) if each.is_of_its_type)


def unusable(planned: Planned, target: RestoreTarget, at: At) -> Failed | None:
    """Return what is referred to and cannot be used, None where all of it can."""
    for subnet in _subnets(planned):
        refused = _unusable_subnet(subnet, target, at)
        if refused is not None:
            return refused
    for each in _references(planned):
        refused = _unusable_reference(each, target, at)
        if refused is not None:
            return refused
    return None


def network_of(subnet: str) -> ArmId:
    """Return the id of the network that a subnet's id names."""
    return ArmId(subnet[: folded(subnet).rfind(_SUBNETS)] if _SUBNETS in folded(subnet) else subnet)


def _unusable_subnet(subnet: str, target: RestoreTarget, at: At) -> Failed | None:
    network = at(network_of(subnet))
    if network is None or folded(name_of(ArmId(subnet))) not in network.subnets:
        message = f"there is no subnet {subnet}: name another one in spec.target.subnetId"
        return Failed("SubnetNotFound", message)
    instead = "name another one in spec.target.subnetId"
    return _elsewhere(network, ArmId(subnet), target, "NetworkOfAnotherRegion", instead)


def _unusable_reference(wanted: Reference, target: RestoreTarget, at: At) -> Failed | None:
    found = at(wanted.id) if wanted.is_of_its_type else None
    if found is None:
        message = f"there is no {wanted.words} {wanted.id}: {wanted.instead}"
        return Failed("ReferenceNotFound", message)
    if not wanted.misplaced:
        return None
    return _elsewhere(found, wanted.id, target, wanted.misplaced, wanted.instead)


def _elsewhere(
    found: ResourceSeen, named: ArmId, target: RestoreTarget, reason: str, instead: str
) -> Failed | None:
    """Refuse what lies in another region or subscription than what would use it."""
    region, subscription = region_name(target.region), folded(target.subscription_id)
    if (found.region, folded(subscription_of(named))) == (region, subscription):
        return None
    message = (
        f"{named} lies in {found.region}, subscription {subscription_of(named)}, and what is made "
        f"in {region} of subscription {target.subscription_id} can't use it: {instead}"
    )
    return Failed(reason, message)


def _references(planned: Planned) -> Iterator[Reference]:
    """Yield what bodies name beside networks, in the order in which people are told."""
    for interface in planned.interfaces:
        group = text_at(interface.body, "properties", "networkSecurityGroup", "id")
        if group:
            yield _security_group(group)
    for disk in planned.disks:
        for body in (disk.body, disk.after_upload):
            used = text_at(body, *_ENCRYPTION_SET)
            if used:
                yield _encryption_set(used)
    if planned.machine is not None:
        yield from map(_identity, _identities(planned.machine.body))


def _security_group(named: str) -> Reference:
    return Reference(
        ArmId(named),
        "networksecuritygroups",
        "network security group",
        "override it in spec.overrides.networkInterfaces",
        "NetworkOfAnotherRegion",
    )


def _encryption_set(named: str) -> Reference:
    return Reference(
        ArmId(named),
        "diskencryptionsets",
        "disk encryption set",
        "name another one in spec.target.diskEncryptionSetId, or override it",
        "EncryptionSetOfAnotherRegion",
    )


def _identity(named: str) -> Reference:
    return Reference(
        ArmId(named),
        "userassignedidentities",
        "user-assigned identity",
        "override it in spec.overrides.virtualMachine, or create it",
    )


def _identities(machine: Body) -> Iterator[str]:
    yield from body_at(machine, "identity", "userAssignedIdentities")
    of_encryption = text_at(machine, *_ENCRYPTION_IDENTITY)
    if of_encryption:
        yield of_encryption


def _subnets(planned: Planned) -> tuple[str, ...]:
    every = (subnet for each in planned.interfaces for subnet in subnets_of(each.body))
    return tuple(dict.fromkeys(every))
