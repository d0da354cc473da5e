"""An environment as those see it who need it: what it offers, or what it still waits for."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_operator.environments.walk import Line
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Environment:
    """One region that is ready, as Azure was seen to hold it."""

    name: str
    subscription_id: str
    region: str
    resource_group: str
    virtual_network_id: ArmId
    worker_subnet_id: ArmId
    endpoint_subnet_id: ArmId
    network_security_group_id: ArmId
    blob_zone_id: ArmId
    storage_account_id: ArmId
    blob_url: str
    queue_url: str
    worker_size: str
    worker_image: str
    max_workers: int
    private: bool


@dataclass(frozen=True, slots=True)
class Report:
    """One pass over an environment; *environment* is there where the outcome is Done."""

    outcome: Outcome
    lines: tuple[Line, ...]
    environment: Environment | None = None
