"""An administrator's word that an account is the region's: it gets our sealed tag."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_tags import merged_tags
from vmbackup_operator.environments.bodies import Body, body_at, text_at
from vmbackup_operator.environments.differences import same_text
from vmbackup_operator.environments.ports import ResourceManager
from vmbackup_operator.naming import APPLIANCE_TAG, ArmId, name_of, same_id, subscription_of
from vmbackup_operator.ownership import Ownership

# The other kinds have no queues, or no blobs.
_KIND = "StorageV2"

# A PUT replaces: what decides who gets in is sent along as it is.
_KEPT = (
    "accessTier",
    "allowBlobPublicAccess",
    "allowSharedKeyAccess",
    "minimumTlsVersion",
    "publicNetworkAccess",
    "supportsHttpsTrafficOnly",
)


async def adopt(manager: ResourceManager, ownership: Ownership, account_id: ArmId) -> str:
    """Seal the account's tag, so that it is its region's from then on; return the region.

    An account that is sealed already is left as it is. A region has one account: where another one
    proves to be ours, nothing is written.
    """
    account = await manager.find("StorageAccount", account_id)
    if account is None:
        raise PermanentError(f"{account_id} does not exist", reason="StorageAccountNotFound")
    kind, region = text_at(account, "kind"), text_at(account, "location")
    if not same_text(kind, _KIND):
        raise PermanentError(
            f"{name_of(account_id)} is of kind {kind or 'unknown'}: a region's account needs blobs"
            f" and queues, which {_KIND} has",
            reason="UnsuitableAccount",
        )
    await _check_alone(manager, ownership, account_id, region)
    if not ownership.owns(account_id, body_at(account, "tags")):
        body = _sealed(account, ownership, account_id)
        while await manager.put("StorageAccount", account_id, body) is None:
            continue  # it waits a moment each time
    return region


async def _check_alone(
    manager: ResourceManager, ownership: Ownership, account_id: ArmId, region: str
) -> None:
    for other in await manager.storage_accounts(subscription_of(account_id)):
        identity = ArmId(text_at(other, "id"))
        in_region = same_text(text_at(other, "location"), region)
        owned = ownership.owns(identity, body_at(other, "tags"))
        if in_region and owned and not same_id(identity, account_id):
            raise PermanentError(
                f"{region} has the account {identity} already: take its tags that begin with"
                " vmbackup- off first",
                reason="OwnershipUnclear",
            )


def _sealed(account: Body, ownership: Ownership, account_id: ArmId) -> Body:
    own = {APPLIANCE_TAG: ownership.appliance_id, **ownership.sealed_tag(account_id)}
    held = body_at(account, "properties")
    return {
        "location": account["location"],
        "kind": account["kind"],
        "sku": account.get("sku", {"name": "Standard_LRS"}),
        "tags": {**merged_tags(body_at(account, "tags"), own)},
        "properties": {key: held[key] for key in _KEPT if key in held},
    }
