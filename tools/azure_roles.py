"""What an administrator puts into Azure for the operator: groups, roles, and who has them where.

    python -m tools.azure_roles --settings settings.yaml --principal OBJECT-ID --region northeurope

prints it as a shell script of `az rest` commands, to be read before it is run by somebody who may
assign roles. Everything has a computed name, so running it again changes nothing.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmbackup_operator.arm_ids import folded, lies_within
from vmbackup_operator.environments.plan import BUNDLE_CONTAINER, MESSAGES_CONTAINER
from vmbackup_operator.naming import APPLIANCE_TAG, environment_names
from vmbackup_operator.settings import Settings, WrongSettings, load

FOLDER = Path(__file__).resolve().parents[1] / "docs"
ROLES = (
    "subscription", "source", "workers", "exports", "repository", "restore", "rewind", "quotas"
)  # fmt: skip
#: The role beside them for repositories that lock what they hold, at the same accounts.
LOCKS = "locks"
#: The role for repositories of tier Archive, at the data container of each: it lets overwrite what
#: lies there, and nothing in the container beside it.
TIERS = "tiers"

_GROUPS = "2022-09-01"
_AUTHORIZATION = "2022-04-01"
#: /subscriptions/S and its slash.
_SUBSCRIPTION_PARTS = 3
#: /subscriptions/S/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/A and its slash.
_ACCOUNT_PARTS = 9
#: That, /blobServices/default/containers/C.
_CONTAINER_PARTS = 13
_CONTAINER_ID = "/subscriptions/…/storageAccounts/NAME/blobServices/default/containers/NAME"

_DELETE_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete"
_CONTAINER = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
#: Blobs are deleted in the operator's own containers only, whatever else an account at that scope
#: may hold. Azure judges it for each request.
OWN_CONTAINERS_ONLY = (
    f"((!(ActionMatches{{'{_DELETE_BLOBS}'}}))"
    f" OR ({_CONTAINER} StringEquals '{BUNDLE_CONTAINER}')"
    f" OR ({_CONTAINER} StringEquals '{MESSAGES_CONTAINER}'))"
)
#: Under which condition a role is assigned, where there is one.
CONDITIONS = {"workers": OWN_CONTAINERS_ONLY}
_CONDITION_VERSION = "2.0"

#: A JSON object.
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Put:
    """One PUT to Resource Manager, and what it is for."""

    says: str
    id: str
    api_version: str
    body: Json

    def command(self) -> str:
        """Return it as a command for a shell."""
        url = f"https://management.azure.com{self.id}?api-version={self.api_version}"
        words = ("az", "rest", "--method", "put", "--url", url, "--body", json.dumps(self.body))
        return f"# {self.says}\n{shlex.join(words)}"


def role_file(role: str) -> Path:
    """Return the file with the definition of *role*, one of `ROLES`, or `LOCKS` or `TIERS`."""
    return FOLDER / f"azure-role-{role}.json"


def definition(role: str) -> Json:
    """Return what the definition of *role* says: name, description, permissions."""
    found: Json = json.loads(role_file(role).read_text())["properties"]
    return found


def puts(
    settings: Settings,
    principal: str,
    regions: Iterable[str],
    *,
    locks: bool = False,
    archives: Sequence[str] = (),
) -> Iterator[Put]:
    """Yield what *principal* needs to be the operator that *settings* describe, in order.

    VMs in *regions* and in the home region can be backed up. With *locks* repositories may lock
    what they hold. *archives* are the data containers of repositories of tier Archive.
    """
    regions = tuple(dict.fromkeys((settings.appliance.region, *regions)))
    for region in regions:
        yield region_group(settings, region)
    for group in export_group_ids(settings):
        yield _group(settings, "what is made beside VMs of another subscription", group)
    roles = {role: at for role, at in scopes_of_roles(settings, regions).items() if at}
    if locks:
        roles[LOCKS] = roles["repository"]
    if archives:
        roles[TIERS] = _each(archives)
    for role, scopes in roles.items():
        yield define(settings, role, scopes)
        for scope in scopes:
            yield assign(settings, role, scope, principal)


def region_group(settings: Settings, region: str) -> Put:
    """Return what makes the resource group for all that the operator makes in *region*."""
    return _group(settings, f"what is made in {region}", region_group_id(settings, region), region)


def _group(settings: Settings, says: str, group_id: str, region: str = "") -> Put:
    appliance = settings.appliance
    tags = {**settings.tags, APPLIANCE_TAG: appliance.id}
    return Put(says, group_id, _GROUPS, {"location": region or appliance.region, "tags": tags})


def export_group_ids(settings: Settings) -> list[str]:
    """Return the ids of the groups that are the appliance's in other subscriptions."""
    return [
        f"/subscriptions/{each.subscription_id}/resourceGroups/{each.resource_group}"
        for each in settings.other_subscriptions
    ]


def region_group_id(settings: Settings, region: str) -> str:
    """Return the id of the group that the operator expects for *region*."""
    appliance = settings.appliance
    names = environment_names(appliance.id, appliance.subscription_id, region)
    return f"/subscriptions/{appliance.subscription_id}/resourceGroups/{names.resource_group}"


def scopes_of_roles(settings: Settings, regions: Iterable[str]) -> dict[str, Sequence[str]]:
    """Return at which scopes each role is assigned."""
    appliance, tenancy = settings.appliance, settings.tenancy
    subscription = f"/subscriptions/{appliance.subscription_id}"
    own = f"{subscription}/resourceGroups/{appliance.resource_group}"
    made = [own, *(region_group_id(settings, region) for region in regions)]
    if not lies_within(appliance.virtual_network_id, own):
        made.append(appliance.virtual_network_id)
    accounts = (account for tenant in tenancy for account in tenant.storage_accounts)
    restored = _each([scope for tenant in tenancy for scope in tenant.restore_scopes])
    rewound = _each([scope for tenant in tenancy for scope in tenant.rewind_scopes])
    return {
        "subscription": [subscription],
        "source": _each([scope for tenant in tenancy for scope in tenant.backup_scopes]),
        "workers": made,
        "exports": export_group_ids(settings),
        "restore": restored,
        "rewind": rewound,
        "quotas": _each([_subscription(scope) for scope in (*restored, *rewound)]),
        "repository": _each(["/".join(id_.split("/")[:_ACCOUNT_PARTS]) for id_ in accounts]),
    }


def define(settings: Settings, role: str, scopes: Sequence[str]) -> Put:
    """Return what defines *role*, so that it can be assigned at *scopes*."""
    said = definition(role)
    said["assignableScopes"] = _each([_subscription(scope) for scope in scopes])
    says = f"{said['roleName']}: {said['description']}"
    return Put(
        says, _definition_id(settings, said["roleName"]), _AUTHORIZATION, {"properties": said}
    )


def assign(settings: Settings, role: str, scope: str, principal: str) -> Put:
    """Return what gives *role* to *principal* at *scope*."""
    name = definition(role)["roleName"]
    of_role = _definition_id(settings, name)
    number = uuid.uuid5(uuid.NAMESPACE_URL, folded(f"{of_role} {scope} {principal}"))
    properties = {
        "roleDefinitionId": of_role,
        "principalId": principal,
        "principalType": "ServicePrincipal",
    }
    if role in CONDITIONS:
        properties |= {"condition": CONDITIONS[role], "conditionVersion": _CONDITION_VERSION}
    at = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{number}"
    return Put(f"{name} at {scope}", at, _AUTHORIZATION, {"properties": properties})


def _definition_id(settings: Settings, name: str) -> str:
    appliance = settings.appliance
    number = uuid.uuid5(uuid.NAMESPACE_URL, folded(f"{appliance.tenant_id} {name}"))
    return (
        f"/subscriptions/{appliance.subscription_id}/providers/Microsoft.Authorization"
        f"/roleDefinitions/{number}"
    )


def _is_container(text: str) -> bool:
    parts = folded(text).split("/")
    return (
        len(parts) == _CONTAINER_PARTS
        and parts[_ACCOUNT_PARTS - 2] == "storageaccounts"
        and parts[-2] == "containers"
    )


def _subscription(scope: str) -> str:
    return "/".join(scope.split("/")[:_SUBSCRIPTION_PARTS])


def _each(ids: Iterable[str]) -> list[str]:
    """Return *ids*, each once, as first spelled."""
    return list({folded(each): each for each in reversed(list(ids))}.values())[::-1]


def main(arguments: Sequence[str]) -> int:
    """Print the script; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.azure_roles", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="the operator's settings")
    parser.add_argument("--principal", required=True, help="object id of the operator's identity")
    parser.add_argument("--region", action="append", default=[], help="a region with VMs")
    parser.add_argument(
        "--locks", action="store_true", help="repositories lock what they hold (spec.immutability)"
    )
    parser.add_argument(
        "--archive",
        action="append",
        default=[],
        metavar="CONTAINER-ID",
        help="the ARM id of the data container of a repository of tier Archive",
    )
    given = parser.parse_args(arguments)
    strange = [each for each in given.archive if not _is_container(each)]
    if strange:
        print(f"{strange[0]} is not the ARM id of a container: {_CONTAINER_ID}", file=sys.stderr)
        return 2
    try:
        settings = load(given.settings)
    except WrongSettings as error:
        print(error, file=sys.stderr)
        return 2
    print("set -eu")
    principal, regions = given.principal, given.region
    for put in puts(settings, principal, regions, locks=given.locks, archives=given.archive):
        print(put.command())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
