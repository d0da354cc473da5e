"""The containers of the environment's account, made past its network rules."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.plan import CONTAINERS, Plan
from vmbackup_operator.environments.service import Desired, Service
from vmbackup_operator.naming import ArmId


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the containers."""
    account = plan.place.account_id
    for name in CONTAINERS:
        container = ArmId(f"{account}/blobServices/default/containers/{name}")
        yield Desired(container, {"properties": {"publicAccess": "None"}}, needs=(account,))


def compare(desired: Body, existing: Body) -> Body | None:
    """Return None: one that exists is as the account's own settings make it."""
    del desired, existing
    return None


SERVICE = Service("BlobContainer", "StorageAccountReady", desired, compare)
