"""A private network as ARM's bodies: VNets, endpoints, zones and VMs for the gateway's tests."""

from __future__ import annotations

from typing import Any

from azure_simulator.resources import Body, Resource, Resources, parent_id

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
BLOB_ZONE = "privatelink.blob.core.windows.net"
QUEUE_ZONE = "privatelink.queue.core.windows.net"


class PrivateNetwork:
    """Writes resources as a user's finished ARM calls leave them, and takes them away."""

    def __init__(self) -> None:
        self.resources = Resources()

    def vnet(self, name: str) -> str:
        vnet_id = self._put(f"{NETWORK}/virtualNetworks/{name}")
        self._put(f"{vnet_id}/subnets/workers")
        self._put(f"{vnet_id}/subnets/endpoints")
        return vnet_id

    def peer(self, one: str, other: str, state: str = "Connected") -> str:
        """Write *one*'s side of a peering."""
        name = other.rsplit("/", 1)[1]
        return self._put(
            f"{one}/virtualNetworkPeerings/to-{name}",
            remoteVirtualNetwork={"id": other},
            peeringState=state,
            allowVirtualNetworkAccess=True,
        )

    def account(self, name: str, *, public: bool = False, default_action: str = "Allow") -> str:
        return self._put(
            f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}",
            publicNetworkAccess="Enabled" if public else "Disabled",
            networkAcls={"defaultAction": default_action},
            privateEndpointConnections=[],
        )

    def disk_access(self, name: str, host: str) -> str:
        access_id = f"{GROUP}/providers/Microsoft.Compute/diskAccesses/{name}"
        body: Body = {"id": access_id, "properties": {"privateEndpointConnections": []}}
        self.resources.put(Resource(access_id, body, hidden={"exportHost": host}))
        return access_id

    def endpoint(self, vnet_id: str, target_id: str, group: str, address: str) -> str:
        """Write an endpoint with its interface and the target's approved connection."""
        label = f"{vnet_id.rsplit('/', 1)[1]}-{target_id.rsplit('/', 1)[1]}-{group}"
        nic_id = self._put(
            f"{NETWORK}/networkInterfaces/{label}-nic",
            ipConfigurations=[{"properties": {"privateIPAddress": address}}],
        )
        endpoint_id = self._put(
            f"{NETWORK}/privateEndpoints/{label}",
            subnet={"id": f"{vnet_id}/subnets/endpoints"},
            networkInterfaces=[{"id": nic_id}],
            privateLinkServiceConnections=[
                {"properties": {"privateLinkServiceId": target_id, "groupIds": [group]}}
            ],
        )
        self.connections(target_id).append(
            {
                "properties": {
                    "privateEndpoint": {"id": endpoint_id},
                    "privateLinkServiceConnectionState": {"status": "Approved"},
                }
            }
        )
        self.resources.changed()
        return endpoint_id

    def connections(self, target_id: str) -> list[Body]:
        listed: list[Body] = self.properties(target_id)["privateEndpointConnections"]
        return listed

    def set_approval(self, target_id: str, status: str) -> None:
        """Set the state of the target's only connection."""
        (connection,) = self.connections(target_id)
        connection["properties"]["privateLinkServiceConnectionState"]["status"] = status
        self.resources.changed()

    def zone(self, name: str, *vnet_ids: str, group: str = "rg") -> str:
        network = NETWORK.replace("/rg/", f"/{group}/")
        zone_id = self._put(f"{network}/privateDnsZones/{name}")
        for vnet_id in vnet_ids:
            self.link(zone_id, vnet_id)
        return zone_id

    def link(self, zone_id: str, vnet_id: str, policy: str = "Default") -> str:
        return self._put(
            f"{zone_id}/virtualNetworkLinks/{vnet_id.rsplit('/', 1)[1]}",
            virtualNetwork={"id": vnet_id},
            resolutionPolicy=policy,
        )

    def record(self, zone_id: str, label: str, address: str) -> str:
        return self._put(f"{zone_id}/A/{label}", aRecords=[{"ipv4Address": address}])

    def rule(self, subnet_id: str, direction: str, **properties: Any) -> None:
        """Give the subnet a security group with one rule that denies HTTPS."""
        group_id = self._put(
            f"{NETWORK}/networkSecurityGroups/of-{subnet_id.rsplit('/', 1)[1]}",
            securityRules=[
                {
                    "name": "no-https",
                    "properties": {
                        "priority": 100,
                        "direction": direction,
                        "access": "Deny",
                        "protocol": "Tcp",
                        "destinationPortRange": "443",
                        "sourceAddressPrefix": "*",
                        "destinationAddressPrefix": "*",
                        **properties,
                    },
                }
            ],
        )
        self.properties(subnet_id)["networkSecurityGroup"] = {"id": group_id}
        self.resources.changed()

    def machine(self, vnet_id: str, name: str = "worker", address: str = "10.1.0.4") -> str:
        nic_id = self._put(
            f"{NETWORK}/networkInterfaces/{name}-nic",
            ipConfigurations=[
                {
                    "properties": {
                        "privateIPAddress": address,
                        "subnet": {"id": f"{vnet_id}/subnets/workers"},
                    }
                }
            ],
        )
        return self._put(
            f"{GROUP}/providers/Microsoft.Compute/virtualMachines/{name}",
            networkProfile={"networkInterfaces": [{"id": nic_id}]},
        )

    def properties(self, arm_id: str) -> Body:
        found = self.resources.find(arm_id)
        assert found is not None, arm_id
        return found.properties

    def remove(self, arm_id: str) -> None:
        assert parent_id(arm_id)
        self.resources.remove(arm_id)

    def _put(self, arm_id: str, **properties: Any) -> str:
        body: Body = {"id": arm_id, "properties": properties}
        self.resources.put(Resource(arm_id, body))
        return arm_id


class WorkerNetwork(PrivateNetwork):
    """One region as the operator makes it: a worker VNet whose zone leads to an account's blobs."""

    def __init__(self) -> None:
        super().__init__()
        self.worker_vnet = self.vnet("worker-vnet")
        self.home_vnet = self.vnet("home-vnet")
        self.appliance_vnet = self.vnet("appliance-vnet")
        self.acct = self.account("acct")
        self.blob_endpoint = self.endpoint(self.worker_vnet, self.acct, "blob", "10.1.1.4")
        self.blob_zone = self.zone(BLOB_ZONE, self.worker_vnet)
        self.blob_record = self.record(self.blob_zone, "acct", "10.1.1.4")
        self.worker = self.machine(self.worker_vnet)
