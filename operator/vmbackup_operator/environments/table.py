"""What an environment is made of, in the order in which it is built."""

from __future__ import annotations

from vmbackup_operator.environments import (
    containers,
    network_security_groups,
    peerings,
    private_dns_zones,
    private_endpoints,
    resource_groups,
    storage_accounts,
    virtual_network_links,
    virtual_networks,
    zone_groups,
)
from vmbackup_operator.environments.service import Service

#: A resource is asked for when those that it needs are there, which may be in the same pass: the
#: order only says that nothing needs what stands below it.
TABLE: tuple[Service, ...] = (
    resource_groups.SERVICE,
    network_security_groups.SERVICE,
    virtual_networks.SERVICE,
    peerings.SERVICE,
    storage_accounts.SERVICE,
    containers.SERVICE,
    private_endpoints.SERVICE,
    private_dns_zones.SERVICE,
    virtual_network_links.SERVICE,
    zone_groups.SERVICE,
)
