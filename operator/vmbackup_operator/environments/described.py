"""An environment that is ready, described for those who use it."""

from __future__ import annotations

from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.environment import Environment
from vmbackup_operator.environments.plan import BLOB_ZONE, Plan
from vmbackup_operator.model.region_environment import RegionEnvironment, RegionEnvironmentSpec
from vmbackup_operator.naming import name_of
from vmbackup_operator.settings import Settings


def described(
    settings: Settings, environment: RegionEnvironment, plan: Plan, account: Body
) -> Environment:
    """Return what *plan* comes to, with the addresses of *account* as Azure shows it."""
    place, spec = plan.place, environment.spec
    defaults = settings.region_environments
    name = name_of(place.account_id)
    urls = {
        service: text_at(account, "properties", "primaryEndpoints", service).rstrip("/")
        or f"https://{name}.{service}.core.windows.net"
        for service in ("blob", "queue")
    }
    return Environment(
        name=environment.metadata.name,
        subscription_id=place.subscription_id,
        region=place.region,
        resource_group=place.names.resource_group,
        virtual_network_id=place.network.virtual_network_id,
        worker_subnet_id=place.network.worker_subnet_id,
        endpoint_subnet_id=place.network.endpoint_subnet_id,
        network_security_group_id=place.network.network_security_group_id,
        blob_zone_id=place.zone_id(BLOB_ZONE),
        storage_account_id=place.account_id,
        blob_url=urls["blob"],
        queue_url=urls["queue"],
        worker_size=size_of_workers(settings, spec),
        worker_image=spec.worker.image or defaults.worker_image,
        max_workers=spec.worker.max_count or 1,
        private=spec.private_network,
        tags={**plan.extra_tags},
    )


def size_of_workers(settings: Settings, spec: RegionEnvironmentSpec) -> str:
    """Return the VM size of the workers of an environment that is described so."""
    return spec.worker.vm_size or settings.region_environments.worker_vm_size
