"""The network interfaces of a plan: as the recorded ones were, with addresses of their own."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.environments.bodies import Body, Json, bodies_at, body_at, text_at
from vmbackup_operator.model.restore_session import InterfaceOverride, RestoreTarget
from vmbackup_operator.restores.planning.merge_patch import patched
from vmbackup_operator.restores.planning.places import Place, id_in
from vmbackup_operator.restores.planning.planned import InterfaceWanted
from vmbackup_operator.restores.planning.rules import INTERFACE_TREE
from vmbackup_operator.restores.planning.sifting import sift, told
from vmbackup_operator.restores.planning.tagging import check_tags, restored_tags


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """An interface to make, and what of the recorded one is not set again."""

    wanted: InterfaceWanted
    not_restored: tuple[str, ...]


def plan_interface(
    recorded: Body, name: str, target: RestoreTarget, override: InterfaceOverride
) -> InterfacePlan:
    """Return the interface that is made of *recorded*, called *name*."""
    subject = f"network interface {override.index}"
    holding = Place.of_target(target).holding(Place.of(recorded))
    sifted = sift(recorded, INTERFACE_TREE, holding)
    aimed: Body = {
        "tags": restored_tags(sifted.body, target),
        "properties": {
            **body_at(sifted.body, "properties"),
            "ipConfigurations": _aimed(sifted.body, target),
        },
    }
    body = sifted.body | aimed
    where = f"the patch of interface {override.index} (spec.overrides.networkInterfaces)"
    body = patched(body, override.patch, INTERFACE_TREE, where)
    _check_subnets(body, recorded, target, subject)
    check_tags(body, subject)
    wanted = InterfaceWanted(
        id_in(target, "Microsoft.Network/networkInterfaces", name),
        body | {"location": target.region},
    )
    return InterfacePlan(wanted, (*sifted.told(subject), *_fixed_addresses(recorded, subject)))


def subnets_of(body: Body) -> tuple[str, ...]:
    """Return the ids of the subnets that an interface's body names."""
    configurations = bodies_at(body, "properties", "ipConfigurations")
    return tuple(text_at(each, "properties", "subnet", "id") for each in configurations)


def _aimed(body: Body, target: RestoreTarget) -> list[Json]:
    """Return the configurations, each in the subnet that the target names, or else its own."""
    aimed: list[Json] = []
    for each in bodies_at(body, "properties", "ipConfigurations"):
        properties = dict(body_at(each, "properties"))
        subnet = target.subnet_id or text_at(properties, "subnet", "id")
        aimed.append(each | {"properties": properties | {"subnet": {"id": subnet}}})
    return aimed


def _fixed_addresses(recorded: Body, subject: str) -> list[str]:
    """Return what is told of addresses that somebody had fixed."""
    notes = []
    for index, each in enumerate(bodies_at(recorded, "properties", "ipConfigurations")):
        properties = body_at(each, "properties")
        if folded(text_at(properties, "privateIPAllocationMethod")) == "static":
            path = f"properties.ipConfigurations[{index}].properties.privateIPAddress"
            why = "it may be in use, so a free one of the subnet is taken; a patch may ask for it"
            notes.append(told(subject, path, why, properties.get("privateIPAddress")))
    return notes


def _check_subnets(body: Body, recorded: Body, target: RestoreTarget, subject: str) -> None:
    """Refuse an interface without a subnet, and one in a network that lies somewhere else."""
    subnets = subnets_of(body)
    if not subnets or not all(subnets):
        message = f"{subject} would be in no subnet: set spec.target.subnetId"
        raise PermanentError(message, reason="SubnetNotFound")
    if Place.of_target(target).takes_from(Place.of(recorded)):
        return
    for before in subnets_of(recorded):
        if any(same_id(before, each) for each in subnets):
            raise PermanentError(
                f"{subject} was in {before}, which no VM in {target.region} of subscription "
                f"{target.subscription_id} can use: set spec.target.subnetId",
                reason="NetworkOfAnotherRegion",
            )
