"""What a backup asks of Resource Manager, by the real asynchronous SDKs, network to export."""

from __future__ import annotations

import asyncio
from typing import Any

from azure.identity.aio import ClientSecretCredential as AsyncCredential
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.network.aio import NetworkManagementClient
from azure.mgmt.privatedns.aio import PrivateDnsManagementClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient
from azure.mgmt.storage.aio import StorageManagementClient

from tests.contract.arm.conftest import CLIENT, SECRET, Simulated
from tests.unit.simulator_arm.conftest import SUBSCRIPTION, TENANT

GROUP = "rg-sdk"
BASE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
NETWORK = f"{BASE}/Microsoft.Network"
COMPUTE = f"{BASE}/Microsoft.Compute"
ACCOUNT_NAME = "sdkaccount1"
ACCOUNT = f"{BASE}/Microsoft.Storage/storageAccounts/{ACCOUNT_NAME}"
ZONE = "privatelink.blob.core.windows.net"
REGION = "westeurope"


class Clients:
    """One client of each kind, asynchronous; untyped, for bodies are sent as plain JSON."""

    def __init__(self, simulated: Simulated) -> None:
        options: dict[str, Any] = simulated.options
        self.credential = AsyncCredential(TENANT, CLIENT, SECRET, **options)
        arguments: dict[str, Any] = {"polling_interval": 1, "retry_total": 0, **options}
        self.compute: Any = ComputeManagementClient(self.credential, SUBSCRIPTION, **arguments)
        self.network: Any = NetworkManagementClient(self.credential, SUBSCRIPTION, **arguments)
        self.dns: Any = PrivateDnsManagementClient(self.credential, SUBSCRIPTION, **arguments)
        self.storage: Any = StorageManagementClient(self.credential, SUBSCRIPTION, **arguments)
        self.resource: Any = ResourceManagementClient(self.credential, SUBSCRIPTION, **arguments)

    async def close(self) -> None:
        for client in (self.compute, self.network, self.dns, self.storage, self.resource):
            await client.close()
        await self.credential.close()


async def done(starting: Any) -> Any:
    """Wait for an operation and return what it made."""
    return await (await starting).result()


async def make_region(use: Clients) -> None:
    """Group, networks, peering, account, zone, endpoint: what a region needs."""
    await use.resource.resource_groups.create_or_update(
        GROUP, {"location": REGION, "tags": {"a": "b"}}
    )
    network, space = use.network, {"addressPrefixes": ["10.1.0.0/16"]}
    subnets = [{"name": "workers", "properties": {"addressPrefix": "10.1.0.0/24"}}]
    account = {
        "location": REGION,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "tags": {"vmbackup-appliance-id": "test"},
        "properties": {
            "publicNetworkAccess": "Disabled",
            "minimumTlsVersion": "TLS1_2",
            "allowBlobPublicAccess": False,
            "supportsHttpsTrafficOnly": True,
        },
    }
    await asyncio.gather(
        done(
            network.virtual_networks.begin_create_or_update(
                GROUP,
                "one",
                {"location": REGION, "properties": {"addressSpace": space, "subnets": subnets}},
            )
        ),
        done(
            network.virtual_networks.begin_create_or_update(
                GROUP,
                "two",
                {
                    "location": REGION,
                    "properties": {"addressSpace": {"addressPrefixes": ["10.2.0.0/16"]}},
                },
            )
        ),
        done(
            network.network_security_groups.begin_create_or_update(
                GROUP, "nsg", {"location": REGION, "properties": {"securityRules": [RULE]}}
            )
        ),
        done(use.storage.storage_accounts.begin_create(GROUP, ACCOUNT_NAME, account)),
        done(use.dns.private_zones.begin_create_or_update(GROUP, ZONE, {"location": "global"})),
        done(
            use.compute.disk_accesses.begin_create_or_update(GROUP, "access", {"location": REGION})
        ),
    )


RULE = {
    "name": "deny-internet",
    "properties": {
        "protocol": "*",
        "access": "Deny",
        "direction": "Outbound",
        "priority": 4000,
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "Internet",
        "destinationPortRange": "*",
    },
}


async def connect_region(use: Clients) -> None:
    """Peerings, endpoints with their zone group, link and record."""
    network = use.network
    await done(
        network.subnets.begin_create_or_update(
            GROUP,
            "one",
            "endpoints",
            {
                "properties": {
                    "addressPrefix": "10.1.1.0/24",
                    "privateEndpointNetworkPolicies": "Disabled",
                    "networkSecurityGroup": {"id": f"{NETWORK}/networkSecurityGroups/nsg"},
                }
            },
        )
    )
    one, two = (f"{NETWORK}/virtualNetworks/{name}" for name in ("one", "two"))
    link = {
        "location": "global",
        "properties": {"virtualNetwork": {"id": one}, "registrationEnabled": False},
    }
    await asyncio.gather(
        peer(use, "one", two),
        done(use.dns.virtual_network_links.begin_create_or_update(GROUP, ZONE, "link", link)),
    )
    await asyncio.gather(
        peer(use, "two", one),
        make_endpoint(use, "blob", ACCOUNT),
        make_endpoint(use, "disks", f"{COMPUTE}/diskAccesses/access"),
    )
    record = {"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.9.9.9"}]}}
    await use.dns.record_sets.create_or_update(GROUP, ZONE, "A", "byhand", record)


async def peer(use: Clients, name: str, remote: str) -> None:
    properties = {"remoteVirtualNetwork": {"id": remote}, "allowVirtualNetworkAccess": True}
    await done(
        use.network.virtual_network_peerings.begin_create_or_update(
            GROUP, name, "peering", {"properties": properties}
        )
    )


async def make_endpoint(use: Clients, group: str, target: str) -> None:
    connection = {
        "name": group,
        "properties": {"privateLinkServiceId": target, "groupIds": [group]},
    }
    body = {
        "location": REGION,
        "properties": {
            "subnet": {"id": f"{NETWORK}/virtualNetworks/one/subnets/endpoints"},
            "privateLinkServiceConnections": [connection],
        },
    }
    name = f"pe-{group}"
    await done(use.network.private_endpoints.begin_create_or_update(GROUP, name, body))
    config = {
        "name": "blob",
        "properties": {"privateDnsZoneId": f"{NETWORK}/privateDnsZones/{ZONE}"},
    }
    await done(
        use.network.private_dns_zone_groups.begin_create_or_update(
            GROUP, name, "default", {"properties": {"privateDnsZoneConfigs": [config]}}
        )
    )


async def launch_worker(use: Clients) -> None:
    """Interface, VM, Run Command."""
    subnet = {"id": f"{NETWORK}/virtualNetworks/one/subnets/workers"}
    interface = {"ipConfigurations": [{"name": "ip", "properties": {"subnet": subnet}}]}
    await done(
        use.network.network_interfaces.begin_create_or_update(
            GROUP, "nic", {"location": REGION, "properties": interface}
        )
    )
    key = {"path": "/home/worker/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_F2s_v2"},
        "storageProfile": {
            "imageReference": {
                "publisher": "Canonical",
                "offer": "0001-com-ubuntu-server-jammy",
                "sku": "22_04-lts-gen2",
                "version": "latest",
            },
            "osDisk": {
                "createOption": "FromImage",
                "deleteOption": "Delete",
                "managedDisk": {"storageAccountType": "Premium_LRS"},
            },
        },
        "osProfile": {
            "computerName": "worker",
            "adminUsername": "worker",
            "linuxConfiguration": {
                "disablePasswordAuthentication": True,
                "ssh": {"publicKeys": [key]},
            },
        },
        "networkProfile": {
            "networkInterfaces": [
                {
                    "id": f"{NETWORK}/networkInterfaces/nic",
                    "properties": {"primary": True, "deleteOption": "Delete"},
                }
            ]
        },
    }
    await done(
        use.compute.virtual_machines.begin_create_or_update(
            GROUP, "worker", {"location": REGION, "tags": {"x": "y"}, "properties": properties}
        )
    )
    command = {
        "source": {"script": "true"},
        "protectedParameters": [{"name": "KEY", "value": "hidden"}],
        "asyncExecution": True,
        "timeoutInSeconds": 600,
    }
    await done(
        use.compute.virtual_machine_run_commands.begin_create_or_update(
            GROUP, "worker", "install", {"location": REGION, "properties": command}
        )
    )


async def export_snapshot(use: Clients) -> str:
    """Disk, snapshot without export, association with the disk access, access."""
    creation = {"createOption": "Empty"}
    await done(
        use.compute.disks.begin_create_or_update(
            GROUP,
            "disk",
            {
                "location": REGION,
                "sku": {"name": "Premium_LRS"},
                "properties": {"creationData": creation, "diskSizeGB": 64},
            },
        )
    )
    copy = {"createOption": "Copy", "sourceResourceId": f"{COMPUTE}/disks/disk"}
    body = {
        "location": REGION,
        "tags": {"vmbackup-0": "sealed"},
        "properties": {
            "creationData": copy,
            "incremental": True,
            "networkAccessPolicy": "DenyAll",
            "publicNetworkAccess": "Disabled",
        },
    }
    await done(use.compute.snapshots.begin_create_or_update(GROUP, "snapshot", body))
    private = {
        "networkAccessPolicy": "AllowPrivate",
        "diskAccessId": f"{COMPUTE}/diskAccesses/access",
    }
    await done(use.compute.snapshots.begin_update(GROUP, "snapshot", {"properties": private}))
    asked = {"access": "Read", "durationInSeconds": 3600}
    granted = await done(use.compute.snapshots.begin_grant_access(GROUP, "snapshot", asked))
    return str(granted.access_sas)


async def look_around(use: Clients) -> dict[str, Any]:
    """The smaller calls of an environment's care: settings, containers, approvals, lists."""
    storage, compute, network = use.storage, use.compute, use.network
    await storage.storage_accounts.update(GROUP, ACCOUNT_NAME, {"tags": {"a": "c"}})
    await storage.blob_containers.create(GROUP, ACCOUNT_NAME, "backups", {})
    listed = storage.private_endpoint_connections.list(GROUP, ACCOUNT_NAME)
    connection = await anext(aiter(listed))
    state = {"status": "Approved", "description": "seen"}
    await storage.private_endpoint_connections.put(
        GROUP,
        ACCOUNT_NAME,
        connection.name,
        {"properties": {"privateLinkServiceConnectionState": state}},
    )
    action = {"commandId": "RunShellScript", "script": ["true"]}
    ran = await done(compute.virtual_machines.begin_run_command(GROUP, "worker", action))
    upload = {"createOption": "Upload", "uploadSizeBytes": 1024**3 + 512}
    await done(
        compute.disks.begin_create_or_update(
            GROUP, "upload", {"location": REGION, "properties": {"creationData": upload}}
        )
    )
    return {
        "ran": ran,
        "account": await storage.storage_accounts.get_properties(GROUP, ACCOUNT_NAME),
        "accounts": [a async for a in storage.storage_accounts.list()],
        "container": await storage.blob_containers.get(GROUP, ACCOUNT_NAME, "backups"),
        "containers": [c async for c in storage.blob_containers.list(GROUP, ACCOUNT_NAME)],
        "name": await storage.storage_accounts.check_name_availability(
            {"name": ACCOUNT_NAME, "type": "Microsoft.Storage/storageAccounts"}
        ),
        "subnets": [v async for v in network.subnets.list(GROUP, "one")],
        "group": await network.network_security_groups.get(GROUP, "nsg"),
        "interface": await network.network_interfaces.get(GROUP, "nic"),
        "zone groups": [g async for g in network.private_dns_zone_groups.list("pe-blob", GROUP)],
        "zones": [z async for z in use.dns.private_zones.list_by_resource_group(GROUP)],
        "record": await use.dns.record_sets.get(GROUP, ZONE, "A", "byhand"),
        "machines": [m async for m in compute.virtual_machines.list(GROUP)],
        "commands": [
            c
            async for c in compute.virtual_machine_run_commands.list_by_virtual_machine(
                GROUP, "worker"
            )
        ],
        "upload": await compute.disks.get(GROUP, "upload"),
        "groups": [g async for g in use.resource.resource_groups.list()],
        "exists": await use.resource.resource_groups.check_existence("nothing-there"),
    }
