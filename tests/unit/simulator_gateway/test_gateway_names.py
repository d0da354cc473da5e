"""Names resolve as Azure's DNS would answer them."""

from __future__ import annotations

from azure_simulator.gateway.dns import hosts, resolve
from azure_simulator.gateway.names import public_address
from azure_simulator.gateway.picture import picture_of
from tests.private_networks import BLOB_ZONE, PrivateNetwork, WorkerNetwork

HOST = "acct.blob.core.windows.net"
ALIAS = f"acct.{BLOB_ZONE}"


def test_an_account_without_endpoints_has_a_public_address_and_no_alias() -> None:
    network = PrivateNetwork()
    network.account("acct")

    answer = resolve(picture_of(network.resources), None, HOST)

    assert (answer.aliases, answer.address) == ((), public_address("acct"))


def test_an_account_with_an_endpoint_is_an_alias_and_still_public_outside() -> None:
    network = WorkerNetwork()

    answer = resolve(picture_of(network.resources), None, HOST)

    assert (answer.aliases, answer.address) == ((ALIAS,), public_address("acct"))


def test_a_linked_zone_answers_with_its_record() -> None:
    network = WorkerNetwork()

    answer = resolve(picture_of(network.resources), network.worker_vnet.lower(), HOST)

    assert (answer.aliases, answer.address) == ((ALIAS,), "10.1.1.4")


def test_a_linked_zone_without_the_record_makes_the_name_vanish() -> None:
    network = WorkerNetwork()
    network.remove(network.blob_record)

    answer = resolve(picture_of(network.resources), network.worker_vnet.lower(), HOST)

    assert answer.address is None
    assert "no record acct" in answer.reason


def test_a_link_that_asks_on_finds_the_public_address_instead() -> None:
    network = WorkerNetwork()
    network.remove(network.blob_record)
    network.link(network.blob_zone, network.worker_vnet, "NxDomainRedirect")

    answer = resolve(picture_of(network.resources), network.worker_vnet.lower(), HOST)

    assert answer.address == public_address("acct")


def test_a_linked_zone_leaves_accounts_without_endpoints_alone() -> None:
    network = WorkerNetwork()
    network.account("other")

    answer = resolve(
        picture_of(network.resources), network.worker_vnet.lower(), "other.blob.core.windows.net"
    )

    assert answer.address == public_address("other")


def test_a_zone_answers_only_where_it_is_linked() -> None:
    network = WorkerNetwork()

    answer = resolve(picture_of(network.resources), network.home_vnet.lower(), HOST)

    assert answer.address == public_address("acct")


def test_an_export_host_is_found_in_the_zone_of_blobs() -> None:
    network = WorkerNetwork()
    host = "md-impexp-x1.z22.blob.storage.azure.net"
    access = network.disk_access("access", host)
    network.endpoint(network.worker_vnet, access, "disks", "10.1.1.6")
    network.record(network.blob_zone, "md-impexp-x1", "10.1.1.6")

    answer = resolve(picture_of(network.resources), network.worker_vnet.lower(), host)

    assert (answer.aliases, answer.address) == ((f"md-impexp-x1.{BLOB_ZONE}",), "10.1.1.6")


def test_what_nobody_owns_does_not_resolve() -> None:
    network = WorkerNetwork()
    picture = picture_of(network.resources)

    assert resolve(picture, None, "nobody.blob.core.windows.net").address is None
    assert resolve(picture, None, "example.org").address is None
    assert resolve(picture, None, "md-impexp-none.z1.blob.storage.azure.net").address is None


def test_the_hosts_of_a_vnet_are_the_names_that_resolve_there() -> None:
    network = WorkerNetwork()
    network.remove(network.blob_record)

    found = hosts(picture_of(network.resources), network.worker_vnet.lower())

    assert HOST not in found
    assert found["acct.queue.core.windows.net"] == public_address("acct")
    assert found["management.azure.com"] == public_address("management.azure.com")
