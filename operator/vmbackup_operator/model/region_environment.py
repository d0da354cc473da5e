"""RegionEnvironment: what one region of one subscription needs before a worker runs there."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata


class EnvironmentNetwork(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The user's own network by id, or the range of the one that is made; else from settings."""

    virtual_network_id: str | None = None
    worker_subnet_id: str | None = None
    endpoint_subnet_id: str | None = None
    address_prefix: str | None = None


class EnvironmentWorker(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What workers are made of; what is absent comes from the appliance's settings."""

    vm_size: str | None = None
    image: str | None = None
    max_count: int | None = None


class EnvironmentTag(msgspec.Struct, frozen=True, rename="camel"):
    """One tag of Azure's that everything in the region carries."""

    name: str
    value: str


class RegionEnvironmentSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the administrator wants, or the operator from its settings."""

    subscription_id: str
    region: str
    private_network: bool = True
    network: EnvironmentNetwork = EnvironmentNetwork()
    network_security_group_id: str | None = None
    worker: EnvironmentWorker = EnvironmentWorker()
    dns_mode: Literal["Managed"] = "Managed"
    cross_subscription_export: Literal["Refuse", "DiskAccess"] = "Refuse"
    deletion_policy: Literal["Retain"] = "Retain"
    tags: tuple[EnvironmentTag, ...] = ()


class EnvironmentResource(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One Azure resource that belongs to the environment, and since when it waits for what."""

    kind: str
    id: str
    waiting_for: str | None = None
    since: datetime | None = None


class RegionEnvironmentStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What there is, and what is still missing."""

    observed_generation: int = 0
    appliance_id: str | None = None
    conditions: tuple[Condition, ...] = ()
    resource_group: str | None = None
    storage_account_id: str | None = None
    virtual_network_id: str | None = None
    worker_subnet_id: str | None = None
    endpoint_subnet_id: str | None = None
    repository_accounts: tuple[str, ...] = ()
    keys_needed: tuple[str, ...] = ()
    resources: tuple[EnvironmentResource, ...] = ()


class RegionEnvironment(msgspec.Struct, frozen=True, rename="camel"):
    """What one region of one subscription needs before a worker runs there."""

    kind: ClassVar[str] = "RegionEnvironment"
    plural: ClassVar[str] = "regionenvironments"

    metadata: Metadata
    spec: RegionEnvironmentSpec
    status: RegionEnvironmentStatus = RegionEnvironmentStatus()
