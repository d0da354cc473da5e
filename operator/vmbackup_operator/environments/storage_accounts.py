"""The environment's storage account: found by its sealed tag, made where there is none.

Account names are unique in the world: where the computed one is somebody else's, the next is tried.
An account that may be ours and does not prove it is not written to: it is named and waited for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.bodies import Body, Json, body_at, text_at
from vmbackup_operator.environments.differences import differing, same_text
from vmbackup_operator.environments.plan import Plan
from vmbackup_operator.environments.service import LOOK_AGAIN_S, Desired, Service
from vmbackup_operator.naming import ArmId, EnvironmentNames, arm_id, name_of, same_id
from vmbackup_operator.ownership import OWNER_TAG, Ownership
from vmbackup_operator.reconciling.outcome import Failed, Outcome, Waiting

_TYPE = "Microsoft.Storage/storageAccounts"

#: Azure's words for a name that somebody else uses.
NAME_TAKEN = frozenset({"StorageAccountAlreadyTaken", "StorageAccountInAnotherResourceGroup"})

# What public access may also be where somebody made it stricter: a perimeter decides there.
_CLOSED = ("Disabled", "SecuredByPerimeter")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which account a region has; *unclear* says why nobody can tell, empty where it is known."""

    id: ArmId
    unclear: str = ""
    seen: Body | None = None


def choose_account(
    accounts: Sequence[Body],
    ownership: Ownership,
    place: tuple[str, str, EnvironmentNames],
    taken: Collection[str],
) -> Choice:
    """Return the account of *place*, its subscription, region and names, among *accounts*.

    One that proves to be ours is it, whatever it is called. Else it is the first computed name that
    nobody else is known to use; those in *taken* Azure refused.
    """
    subscription, region, names = place
    sealed = [
        account
        for account in accounts
        if same_text(text_at(account, "location"), region)
        and ownership.owns(ArmId(text_at(account, "id")), body_at(account, "tags"))
    ]
    first = arm_id(subscription, names.resource_group, _TYPE, names.storage_account)
    if len(sealed) > 1:
        listed = ", ".join(sorted(text_at(account, "name") for account in sealed))
        return Choice(
            first, f"several storage accounts in {region} carry our {OWNER_TAG}: {listed}"
        )
    if sealed:
        return Choice(ArmId(text_at(sealed[0], "id")), seen=sealed[0])
    for name in names.storage_accounts:
        wanted = arm_id(subscription, names.resource_group, _TYPE, name)
        other = next((each for each in accounts if same_text(text_at(each, "name"), name)), None)
        if name in taken or (other is not None and _is_foreign(other, wanted)):
            continue
        if other is not None and not same_id(text_at(other, "id"), wanted):
            return Choice(
                wanted, f"{text_at(other, 'id')} has the region's name and lies elsewhere"
            )
        return Choice(wanted)
    raise PermanentError(
        f"all names for the storage account of {region} are taken: {', '.join(taken)}",
        reason="StorageAccountNamesTaken",
    )


def _is_foreign(account: Body, wanted: ArmId) -> bool:
    """Tell whether an account of our name is somebody else's: elsewhere, and never sealed."""
    tags = body_at(account, "tags")
    elsewhere = not same_id(text_at(account, "id"), wanted)
    return elsewhere and not any(same_text(name, OWNER_TAG) for name in tags)


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the account, and those of others that endpoints lead to."""
    place = plan.place
    yield Desired(
        place.account_id,
        _body(plan),
        needs=(place.resource_group_id,),
        unclear=place.account_unclear,
    )
    for account in plan.accounts:
        yield Desired(account, None, account=account)
    if plan.private and not plan.is_home:
        home = plan.home
        yield Desired(home.account_id, None, absent="wait", unclear=home.account_unclear)


def _body(plan: Plan) -> Body:
    return {
        "location": plan.place.region,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "tags": {**plan.tags, **plan.ownership.sealed_tag(plan.place.account_id)},
        "properties": {
            "accessTier": "Hot",
            "publicNetworkAccess": "Disabled" if plan.private else "Enabled",
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
            "allowBlobPublicAccess": False,
            "allowSharedKeyAccess": False,
        },
    }


def unclear(plan: Plan, existing: Body) -> str:
    """Return why the account that was found may not be ours, empty where it is."""
    found = ArmId(text_at(existing, "id"))
    doubt = plan.ownership.doubt(found, body_at(existing, "tags"))
    return (
        f"{found} has the name of the region's account and may be somebody else's: {doubt}"
        if (doubt)
        else ""
    )


def compare(desired: Body, existing: Body) -> Body | None:
    """Return what to send; kind, redundancy and tier stay as the user may have changed them."""
    wanted: Body = {key: desired[key] for key in ("location", "tags")}
    held = body_at(existing, "properties")
    wanted["properties"] = {
        key: _at_least(key, value, held.get(key))
        for key, value in body_at(desired, "properties").items()
        if key != "accessTier"
    }
    sent = differing(wanted, existing)
    if sent is None:
        return None
    return {
        **wanted,
        "kind": existing.get("kind", desired["kind"]),
        "sku": existing.get("sku", desired["sku"]),
        "tags": sent["tags"],
    }


def _at_least(key: str, wanted: Json, held: Json) -> Json:
    """Return *held* where it is at least as strict as what is wanted."""
    if key == "minimumTlsVersion" and _tls(held) >= _tls(wanted):
        return held
    if key == "publicNetworkAccess" and wanted == "Disabled" and held in _CLOSED:
        return held
    return wanted


def _tls(version: Json) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", version))) if isinstance(version, str) else ()


def refused(desired: Desired, error: PermanentError) -> Outcome:
    """Say what follows from a refusal: a name that is taken is somebody else's, so another is."""
    if error.reason in NAME_TAKEN:
        message = f"the name {name_of(desired.id)} is somebody else's: another one is tried"
        return Waiting(LOOK_AGAIN_S, message)
    return Failed(error.reason, str(error))


SERVICE = Service(
    "StorageAccount", "StorageAccountReady", desired, compare, refused=refused, unclear=unclear
)
