"""EnvironmentReady: what a region needs before a worker runs there is there."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import ResolvedEnvironment
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import repositories_of, resolved_of, worker_region
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


async def prepare_region(ground: Ground, session: Session) -> Taken:
    """Look at the region as Azure had it within the last minute; Done once it is ready.

    After a lost attempt it is looked at as it is since: something of it may be gone.
    """
    accounts = {ArmId(each.account_id) for each in repositories_of(session)}
    region = await ground.regions.ensure(worker_region(session), accounts, _lost_at(session))
    if isinstance(region, Waiting):
        return Taken(session.status, region)
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    environment = ResolvedEnvironment(
        subscription_id=region.subscription_id,
        region=region.region,
        resource_group=region.resource_group,
        storage_account_id=region.account.id,
        worker_subnet_id=region.worker_subnet_id,
        endpoint_subnet_id=region.endpoint_subnet_id,
        virtual_network_id=region.virtual_network_id,
        home_storage_account_id=home.account.id,
    )
    resolved = replace(resolved_of(session), environment=environment)
    message = f"region environment {region.name} is ready"
    return Taken(replace(session.status, resolved=resolved), Done(message))


def _lost_at(session: Session) -> datetime | None:
    """Return when the attempt before this one was lost, None in the first one.

    The step's condition ceased to hold then.
    """
    said = find_condition(session.status.conditions, "EnvironmentReady")
    if session.status.attempt <= 1 or said is None:
        return None
    return said.last_transition_time
