"""Who reaches what: a private endpoint, its approval and its record, or an open public side."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from azure_simulator.gateway.picture import picture_of
from azure_simulator.gateway.reachability import (
    Caller,
    Decision,
    Refusal,
    Way,
    decide,
    machine_caller,
)
from tests.private_networks import BLOB_ZONE, WorkerNetwork

BLOB = "acct.blob.core.windows.net"
EXPORT = "md-impexp-x1.z22.blob.storage.azure.net"


@pytest.fixture
def network() -> WorkerNetwork:
    return WorkerNetwork()


def from_worker(network: WorkerNetwork, host: str = BLOB) -> Decision:
    picture = picture_of(network.resources)
    return decide(picture, machine_caller(picture, network.worker), host)


def from_appliance(network: WorkerNetwork, host: str = BLOB) -> Decision:
    caller = Caller("appliance", vnet_id=network.appliance_vnet.lower(), internet=True)
    return decide(picture_of(network.resources), caller, host)


def from_internet(network: WorkerNetwork, host: str = BLOB) -> Decision:
    return decide(picture_of(network.resources), Caller("internet", internet=True), host)


def why_not(decision: Decision) -> str:
    assert isinstance(decision, Refusal), decision
    return decision.reason


def test_a_worker_reaches_an_account_through_the_endpoint_of_its_vnet(
    network: WorkerNetwork,
) -> None:
    assert from_worker(network) == Way("blob", "10.1.1.4", network.blob_endpoint.lower())


TAKEN_AWAY: dict[str, tuple[Callable[[WorkerNetwork], None], str]] = {
    "the endpoint": (lambda net: net.remove(net.blob_endpoint), "no private endpoint has"),
    "the record": (lambda net: net.remove(net.blob_record), "no record acct"),
    "the link": (
        lambda net: net.remove(f"{net.blob_zone}/virtualNetworkLinks/worker-vnet"),
        "is public",
    ),
    "the approval": (lambda net: net.set_approval(net.acct, "Rejected"), "is Rejected"),
    "an approval yet to come": (lambda net: net.set_approval(net.acct, "Pending"), "is Pending"),
    "the connection": (lambda net: net.connections(net.acct).clear(), "is public"),
    "the account": (lambda net: net.remove(net.acct), "no storage account acct"),
    "an endpoint not ready": (
        lambda net: net.properties(net.blob_endpoint).update(provisioningState="Updating"),
        "not provisioned",
    ),
    "a record of elsewhere": (
        lambda net: net.properties(net.blob_record).update(aRecords=[{"ipv4Address": "10.9.9.9"}]),
        "no private endpoint has the address 10.9.9.9",
    ),
}


@pytest.mark.parametrize(("take", "reason"), TAKEN_AWAY.values(), ids=TAKEN_AWAY)
def test_a_worker_reaches_nothing_without(
    network: WorkerNetwork, take: Callable[[WorkerNetwork], None], reason: str
) -> None:
    take(network)

    assert reason in why_not(from_worker(network))


def test_an_endpoint_for_blobs_is_none_for_queues(network: WorkerNetwork) -> None:
    zone = network.zone("privatelink.queue.core.windows.net", network.worker_vnet)
    network.record(zone, "acct", "10.1.1.4")

    assert "leads to" in why_not(from_worker(network, "acct.queue.core.windows.net"))


def test_an_endpoint_leads_to_its_own_account_only(network: WorkerNetwork) -> None:
    other = network.account("other")
    network.endpoint(network.home_vnet, other, "blob", "10.2.1.4")
    network.record(network.blob_zone, "other", "10.1.1.4")

    assert "leads to" in why_not(from_worker(network, "other.blob.core.windows.net"))


def test_a_worker_has_no_way_to_arm_nor_to_the_token_endpoint(network: WorkerNetwork) -> None:
    assert "is public" in why_not(from_worker(network, "management.azure.com"))
    assert "is public" in why_not(from_worker(network, "login.microsoftonline.com"))


def test_a_worker_has_no_way_to_an_account_that_is_public(network: WorkerNetwork) -> None:
    network.account("open", public=True)

    assert "is public" in why_not(from_worker(network, "open.blob.core.windows.net"))


def give_way_out(network: WorkerNetwork, *, says: object = True) -> None:
    """Have the workers' subnet say whether it has Azure's default way out."""
    network.properties(f"{network.worker_vnet}/subnets/workers")["defaultOutboundAccess"] = says


def test_a_worker_whose_subnet_has_a_way_out_reaches_what_is_open_to_the_public(
    network: WorkerNetwork,
) -> None:
    network.account("open", public=True)
    network.account("closed")
    network.remove(f"{network.blob_zone}/virtualNetworkLinks/worker-vnet")
    give_way_out(network)

    assert isinstance(from_worker(network, "open.queue.core.windows.net"), Way)
    assert isinstance(from_worker(network, "md-x1.z22.blob.storage.azure.net"), Way)
    assert "is Disabled" in why_not(from_worker(network, "closed.blob.core.windows.net"))
    assert "is Disabled" in why_not(from_worker(network))  # its endpoint is of no use without DNS


@pytest.mark.parametrize("says", [False, None, "true"])
def test_a_subnet_that_does_not_say_so_has_no_way_out(network: WorkerNetwork, says: object) -> None:
    network.account("open", public=True)
    give_way_out(network, says=says)

    assert "is public" in why_not(from_worker(network, "open.queue.core.windows.net"))


@pytest.mark.parametrize(
    ("destination", "passes"), [("Internet", False), ("*", False), ("VirtualNetwork", True)]
)
def test_a_rule_that_denies_the_internet_closes_the_way_out(
    network: WorkerNetwork,
    destination: str,
    passes: bool,  # noqa: FBT001 - a table
) -> None:
    network.account("open", public=True)
    give_way_out(network)
    network.rule(
        f"{network.worker_vnet}/subnets/workers",
        "Outbound",
        destinationAddressPrefix=destination,
    )

    assert isinstance(from_worker(network, "open.queue.core.windows.net"), Way) is passes


def test_a_machine_that_arm_does_not_know_reaches_nothing(network: WorkerNetwork) -> None:
    network.remove(network.worker)

    assert "is public" in why_not(from_worker(network))


def test_the_appliance_reaches_arm_and_the_token_endpoint(network: WorkerNetwork) -> None:
    arm = from_appliance(network, "management.azure.com")
    token = from_appliance(network, "login.microsoftonline.com")

    assert isinstance(arm, Way)
    assert arm.service == "arm"
    assert isinstance(token, Way)
    assert token.service == "token"


def test_a_peered_vnet_reaches_an_endpoint_when_both_sides_are_connected(
    network: WorkerNetwork,
) -> None:
    network.link(network.blob_zone, network.appliance_vnet)
    network.peer(network.appliance_vnet, network.worker_vnet)
    assert "nor peered" in why_not(from_appliance(network))

    network.peer(network.worker_vnet, network.appliance_vnet)

    assert from_appliance(network) == Way("blob", "10.1.1.4", network.blob_endpoint.lower())


def test_peering_is_not_transitive(network: WorkerNetwork) -> None:
    network.link(network.blob_zone, network.appliance_vnet)
    for one, other in (
        (network.appliance_vnet, network.home_vnet),
        (network.home_vnet, network.worker_vnet),
    ):
        network.peer(one, other)
        network.peer(other, one)

    assert "nor peered" in why_not(from_appliance(network))


def test_a_peering_that_is_only_initiated_carries_nothing(network: WorkerNetwork) -> None:
    network.link(network.blob_zone, network.appliance_vnet)
    network.peer(network.appliance_vnet, network.worker_vnet, "Initiated")
    network.peer(network.worker_vnet, network.appliance_vnet)

    assert "nor peered" in why_not(from_appliance(network))


def test_an_account_whose_public_side_is_off_answers_403_to_the_public(
    network: WorkerNetwork,
) -> None:
    decision = from_internet(network)

    assert isinstance(decision, Refusal)
    assert decision.by == "account"
    assert "Disabled" in decision.reason


def test_an_account_whose_rules_deny_by_default_answers_403_to_the_public(
    network: WorkerNetwork,
) -> None:
    network.account("ruled", public=True, default_action="Deny")

    assert "deny by default" in why_not(from_internet(network, "ruled.blob.core.windows.net"))


def test_an_open_account_is_reached_from_the_internet(network: WorkerNetwork) -> None:
    network.account("open", public=True)

    assert isinstance(from_internet(network, "open.blob.core.windows.net"), Way)


def test_a_disk_access_is_reached_through_its_endpoint_only(network: WorkerNetwork) -> None:
    access = network.disk_access("access", EXPORT)
    endpoint = network.endpoint(network.worker_vnet, access, "disks", "10.1.1.6")
    network.record(network.blob_zone, "md-impexp-x1", "10.1.1.6")

    assert from_worker(network, EXPORT) == Way("export", "10.1.1.6", endpoint.lower())
    assert "private endpoints only" in why_not(from_internet(network, EXPORT))


def test_a_public_export_host_is_reached_from_the_internet(network: WorkerNetwork) -> None:
    way = from_internet(network, "md-abc.z22.blob.storage.azure.net")

    assert isinstance(way, Way)
    assert way.service == "export"


def test_a_security_rule_of_the_workers_subnet_denies(network: WorkerNetwork) -> None:
    network.rule(f"{network.worker_vnet}/subnets/workers", "Outbound")

    assert "no-https" in why_not(from_worker(network))


def test_a_security_rule_holds_for_endpoints_only_where_the_subnet_says_so(
    network: WorkerNetwork,
) -> None:
    subnet = f"{network.worker_vnet}/subnets/endpoints"
    network.rule(subnet, "Inbound", sourceAddressPrefix="10.1.0.0/24")
    assert isinstance(from_worker(network), Way)

    network.properties(subnet)["privateEndpointNetworkPolicies"] = "Enabled"

    assert "no-https" in why_not(from_worker(network))


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"destinationPortRange": "8000-9000"},
        {"protocol": "Udp"},
        {"destinationAddressPrefix": "10.7.0.0/16"},
        {"destinationAddressPrefix": "Internet"},
        {"access": "Allow"},
    ],
    ids=["port", "protocol", "prefix", "tag", "allows"],
)
def test_a_security_rule_for_something_else_denies_nothing(
    network: WorkerNetwork, elsewhere: dict[str, str]
) -> None:
    network.rule(f"{network.worker_vnet}/subnets/workers", "Outbound", **elsewhere)

    assert isinstance(from_worker(network), Way)


@pytest.mark.parametrize(
    "host",
    ["example.org", "localhost", "127.0.0.1", f"acct.{BLOB_ZONE}", "acct.table.core.windows.net"],
)
def test_what_is_not_a_simulated_name_of_azure_is_refused(
    network: WorkerNetwork, host: str
) -> None:
    assert "none of the Azure names" in why_not(from_appliance(network, host))
