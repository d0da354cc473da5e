"""Which RegionEnvironment speaks for a region, and the one that is made where none does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    Metadata,
)
from vmbackup_operator.model.region_environment import (
    EnvironmentWorker,
    RegionEnvironment,
    RegionEnvironmentSpec,
)
from vmbackup_operator.naming import environment_names
from vmbackup_operator.settings import Settings


def speaking_for(
    environments: Iterable[RegionEnvironment], subscription_id: str, region: str
) -> RegionEnvironment | None:
    """Return the oldest object for the pair, by name where two are equally old, or None."""
    pair = (folded(subscription_id), folded(region))
    same = [e for e in environments if (folded(e.spec.subscription_id), e.spec.region) == pair]
    return min(same, key=_seniority, default=None)


def _seniority(environment: RegionEnvironment) -> tuple[datetime, str]:
    metadata = environment.metadata
    return (metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC), metadata.name)


def from_settings(settings: Settings, subscription_id: str, region: str) -> RegionEnvironment:
    """Return the object that the operator writes for the pair; its name is always the same."""
    appliance, defaults = settings.appliance, settings.region_environments
    own = folded(subscription_id) == folded(appliance.subscription_id)
    key = environment_names(appliance.id, subscription_id, region).key
    return RegionEnvironment(
        metadata=Metadata(
            name=folded(region) if own else f"{folded(region)}-{key}",
            namespace=settings.namespace,
            labels={APPLIANCE_LABEL: appliance.id, **EXCLUDE_FROM_CLUSTER_BACKUP},
        ),
        spec=RegionEnvironmentSpec(
            subscription_id=folded(subscription_id),
            region=folded(region),
            private_network=defaults.private_network,
            worker=EnvironmentWorker(vm_size=defaults.worker_vm_size, image=defaults.worker_image),
            dns_mode=defaults.dns_mode,
            cross_subscription_export=defaults.cross_subscription_export,
        ),
    )
