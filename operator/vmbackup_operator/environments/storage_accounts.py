"""The environment's storage account: found by the appliance's tag, made where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.differences import differing, same_text
from vmbackup_operator.environments.plan import Plan
from vmbackup_operator.environments.service import Desired, Service
from vmbackup_operator.naming import APPLIANCE_TAG


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the account, and those of others that endpoints lead to."""
    body: Body = {
        "location": plan.place.region,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "tags": {**plan.tags},
        "properties": {
            "accessTier": "Hot",
            "publicNetworkAccess": "Disabled" if plan.private else "Enabled",
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
            "allowBlobPublicAccess": False,
            "allowSharedKeyAccess": False,
        },
    }
    yield Desired(plan.place.account_id, body, needs=(plan.place.resource_group_id,))
    for account in plan.accounts:
        yield Desired(account, None)
    if plan.private and not plan.is_home:
        yield Desired(plan.home.account_id, None, absent="wait")


def compare(desired: Body, existing: Body) -> Body | None:
    """Return what to send; kind, redundancy and tier stay as the user may have changed them."""
    wanted: Body = {key: desired[key] for key in ("location", "tags")}
    properties = desired["properties"]
    if isinstance(properties, dict):
        wanted["properties"] = {k: v for k, v in properties.items() if k != "accessTier"}
    if differing(wanted, existing) is None:
        return None
    tags = existing.get("tags")
    return {
        **wanted,
        "kind": existing.get("kind", desired["kind"]),
        "sku": existing.get("sku", desired["sku"]),
        "tags": {**(tags if isinstance(tags, dict) else {}), **_tags(desired)},
    }


def _tags(desired: Body) -> Body:
    tags = desired["tags"]
    return tags if isinstance(tags, dict) else {}


def find_tagged(accounts: Sequence[Body], appliance_id: str, region: str) -> Body | None:
    """Return the account of *region* that carries the appliance's tag, or None.

    Several are an error that names them: which one to use is not ours to guess.
    """
    tagged = [
        account
        for account in accounts
        if text_at(account, "tags", APPLIANCE_TAG) == appliance_id
        and same_text(text_at(account, "location"), region)
    ]
    if len(tagged) > 1:
        names = ", ".join(sorted(text_at(account, "name") for account in tagged))
        raise PermanentError(
            f"several storage accounts in {region} carry the tag"
            f" {APPLIANCE_TAG}={appliance_id}: {names}",
            reason="SeveralStorageAccounts",
        )
    return tagged[0] if tagged else None


SERVICE = Service("StorageAccount", "StorageAccountReady", desired, compare)
