"""A records of private DNS zones, written by a user or by a private endpoint's zone group."""

from __future__ import annotations

import uuid

from azure_simulator.arm.exchange import Cloud
from azure_simulator.resources import Body, Resource

ZONE = "Microsoft.Network/privateDnsZones"
RECORD = f"{ZONE}/A"
GROUP_KIND = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"

_PREFIX = "privatelink."


def write_record(cloud: Cloud, zone: Resource, name: str, addresses: list[str], ttl: int) -> Body:
    """Add the A record *name* to *zone* or overwrite it, as Azure does; return its body."""
    arm_id = f"{zone.id}/A/{name}"
    body: Body = {
        "id": arm_id,
        "name": name,
        "type": RECORD,
        "etag": str(uuid.uuid4()),
        "properties": {
            "fqdn": f"{name}.{zone.name}.",
            "ttl": ttl,
            "aRecords": [{"ipv4Address": address} for address in addresses],
            "isAutoRegistered": False,
        },
    }
    cloud.resources.put(Resource(arm_id, body))
    return body


def records_for(endpoint: Resource, zone: Resource) -> list[tuple[str, list[str]]]:
    """Return name and addresses of the records that *endpoint* has in *zone*.

    Its name is the first label: ``acct`` for ``acct.blob.core.windows.net``. A disk access's
    export host leads, over a CNAME of Azure's public DNS, into the blob service's zone too.
    """
    found = []
    for config in endpoint.properties["customDnsConfigs"]:
        label, _, rest = config["fqdn"].partition(".")
        public = "blob.core.windows.net" if rest.endswith("blob.storage.azure.net") else rest
        if zone.name.lower() == _PREFIX + public:
            found.append((label, list(config["ipAddresses"])))
    return found


def zone_groups_of(cloud: Cloud, endpoint: Resource) -> list[Resource]:
    """Return the zone groups of a private endpoint."""
    return [r for r in cloud.resources.under(endpoint.id) if r.type == GROUP_KIND.lower()]


def publish(cloud: Cloud, endpoint: Resource, group: Resource, state: str) -> None:
    """Write the endpoint's records into the zones of its zone group, and show them there."""
    for config in group.properties["privateDnsZoneConfigs"]:
        zone = cloud.resources.find(config["properties"]["privateDnsZoneId"])
        shown = []
        for name, addresses in records_for(endpoint, zone) if zone else ():
            if zone is not None and state == "Succeeded":
                write_record(cloud, zone, name, addresses, ttl=10)
            shown.append(
                {
                    "recordType": "A",
                    "recordSetName": name,
                    "fqdn": f"{name}.{zone.name if zone else ''}",
                    "ttl": 10,
                    "provisioningState": state,
                    "ipAddresses": addresses,
                }
            )
        config["properties"] |= {"provisioningState": state, "recordSets": shown}


def withdraw(cloud: Cloud, endpoint: Resource) -> None:
    """Take the records of an endpoint's zone groups away, unless another one overwrote them."""
    for group in zone_groups_of(cloud, endpoint):
        withdraw_group(cloud, group)


def withdraw_group(cloud: Cloud, group: Resource) -> None:
    """Take the records of one zone group away, unless another endpoint overwrote them."""
    for config in group.properties["privateDnsZoneConfigs"]:
        zone_id = config["properties"]["privateDnsZoneId"]
        for shown in config["properties"].get("recordSets", []):
            record = cloud.resources.find(f"{zone_id}/A/{shown['recordSetName']}")
            if record is None:
                continue
            there = [entry["ipv4Address"] for entry in record.properties["aRecords"]]
            if there == shown["ipAddresses"]:
                cloud.resources.remove(record.id)
