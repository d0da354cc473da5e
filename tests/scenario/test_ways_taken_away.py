"""A private way is taken away while data moves: nothing crosses, and the session says what ails it.

Each time the worker's requests are held, the way is taken away, and the requests are let go.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scenario.small_machines import Machine, small_machine
from tests.scenario.stage import Stage, eventually
from tools.demo.evidence import REPOSITORY_HOST
from tools.demo.journal import Entry, first
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION

ACCOUNT = seed.REPOSITORY_ACCOUNT_ID
ENDPOINTS = "Microsoft.Network/privateEndpoints"
BLOB_ZONE = "privatelink.blob.core.windows.net"
COMPUTE, NETWORK, STORAGE, ZONES = "2023-10-02", "2024-01-01", "2023-05-01", "2020-06-01"

#: Where exports of managed disks are.
EXPORT_HOSTS = ".blob.storage.azure.net"

CUT_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Held:
    """A session whose worker's requests are held, and where the journal stood before it."""

    name: str
    machine: Machine
    hold: str
    since: int
    status: dict[str, Any]

    @property
    def group(self) -> str:
        """The resource group of the worker's region."""
        group: str = self.status["resolved"]["environment"]["resourceGroup"]
        return group

    def of_worker(self, entry: Entry) -> bool:
        vm_id: str = self.status["worker"]["vmId"]
        return entry.caller.lower() == vm_id.lower()


def storing(stage: Stage, name: str) -> Held:
    """Begin a backup and return while the worker's first packs are on their way."""
    return _held(stage, name, stage.hold_packs())


def reading(stage: Stage, name: str) -> Held:
    """Begin a backup and return while the worker's first reads are on their way."""
    reads = {"service": "export", "method": "GET", "query": "^(?!.*comp=pagelist)"}
    return _held(stage, name, stage.azure.hold_all("before", **reads))


def _held(stage: Stage, name: str, hold: str) -> Held:
    machine, since = small_machine(stage, name), stage.azure.last_entry()
    stage.back_up(name, machine.id)
    stage.caught(hold, "a request of the worker's")
    return Held(name, machine, hold, since, stage.status(name))


def connection(stage: Stage, target: str, api_version: str, held: Held) -> dict[str, Any]:
    """Return the target's connection from an endpoint of the worker's region."""
    properties = stage.azure.read(target, api_version)["properties"]
    where = f"/resourcegroups/{held.group}/".lower()
    found: list[dict[str, Any]] = [
        each
        for each in properties["privateEndpointConnections"]
        if where in each["properties"]["privateEndpoint"]["id"].lower()
    ]
    (one,) = found
    return one


def endpoint_of(found: dict[str, Any]) -> str:
    endpoint: str = found["properties"]["privateEndpoint"]["id"]
    return endpoint


def let_go_once_cut(stage: Stage, held: Held, host: str) -> int:
    """Wait until the worker's connections to *host* are cut, then let its requests go.

    Returns the number of the journal's entry that says so.
    """

    def cut() -> int | None:
        return first(
            stage.entries(held.since),
            lambda e: (
                e.service == "gateway"
                and e.detail["event"] == "cut"
                and held.of_worker(e)
                and e.host.endswith(host)
            ),
        )

    gone = eventually(cut, bool, f"connections to {host} are cut", CUT_WITHIN_S)
    stage.azure.let_go(held.hold)
    assert gone is not None
    return gone


def crossed(stage: Stage, held: Held, host: str, gone: int, back: int | None) -> list[Entry]:
    """Return the worker's requests that *host* answered between two entries of the journal."""
    return [
        entry
        for entry in stage.entries(gone)
        if entry.service in {"blob", "export"}
        and held.of_worker(entry)
        and entry.host.endswith(host)
        and entry.succeeded
        and (back is None or entry.sequence < back)
    ]


def point_stored(stage: Stage, held: Held) -> int | None:
    """Return the number of the entry with which the session's recovery point came to exist."""
    run = f"/{held.status['runId']}"
    return first(
        stage.entries(held.since),
        lambda e: e.method == "PUT" and "/v/" in e.path and e.path.endswith(run),
    )


def made_again(stage: Stage, endpoint: str, gone: int) -> int:
    """Return the number of the entry with which an endpoint was asked for once more."""
    entries = stage.entries(gone)
    at = first(entries, lambda e: e.is_write(ENDPOINTS) and e.path.lower() == endpoint.lower())
    assert at is not None, f"{endpoint} was not made again"
    return at


def assert_failed_once_and_was_mended(
    stage: Stage, held: Held, status: dict[str, Any], cause: str, tmp_path: Path
) -> None:
    assert status["outcome"] == "Succeeded", status
    error = status["errors"][0]
    assert (error["step"], error["reason"]) == ("DataTransferred", "TransferInterrupted")
    assert cause in error["message"]
    assert status["attempt"] > 1
    assert stage.restored_wrongly(status["runId"], held.machine.disks, tmp_path) == []


def test_a_deleted_endpoint_to_the_repository_stops_the_data_and_is_made_again(
    stage: Stage, tmp_path: Path
) -> None:
    held = storing(stage, "endpoint-deleted")
    endpoint = endpoint_of(connection(stage, ACCOUNT, STORAGE, held))

    stage.azure.remove(endpoint, NETWORK)
    gone = let_go_once_cut(stage, held, REPOSITORY_HOST)
    status = stage.outcome(held.name)

    back = made_again(stage, endpoint, gone)
    assert crossed(stage, held, REPOSITORY_HOST, gone, back) == []
    assert crossed(stage, held, REPOSITORY_HOST, back, None)
    assert (point_stored(stage, held) or 0) > back
    assert_failed_once_and_was_mended(stage, held, status, ACCOUNT.split("/")[-1], tmp_path)


def test_a_deleted_endpoint_to_the_disk_access_stops_the_data_and_is_made_again(
    stage: Stage, tmp_path: Path
) -> None:
    held = reading(stage, "export-endpoint-deleted")
    (export,) = held.status["exports"]
    endpoint = endpoint_of(connection(stage, export["diskAccessId"], COMPUTE, held))

    stage.azure.remove(endpoint, NETWORK)
    gone = let_go_once_cut(stage, held, EXPORT_HOSTS)
    status = stage.outcome(held.name)

    back = made_again(stage, endpoint, gone)
    assert crossed(stage, held, EXPORT_HOSTS, gone, back) == []
    assert crossed(stage, held, EXPORT_HOSTS, back, None)
    assert (point_stored(stage, held) or 0) > back
    assert_failed_once_and_was_mended(stage, held, status, held.machine.disks[0].name, tmp_path)


def test_a_deleted_record_stops_the_data_until_somebody_writes_it_again(
    stage: Stage, tmp_path: Path
) -> None:
    held = storing(stage, "record-deleted")
    zone = f"providers/Microsoft.Network/privateDnsZones/{BLOB_ZONE}"
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{held.group}"
    record = f"{group}/{zone}/A/{ACCOUNT.split('/')[-1]}"
    before = stage.azure.read(record, ZONES)["properties"]

    stage.azure.remove(record, ZONES)
    gone = let_go_once_cut(stage, held, REPOSITORY_HOST)
    said = eventually(
        lambda: stage.condition("backupsession", held.name, "DataTransferred"),
        lambda condition: condition.get("reason") == "TransferInterrupted",
        "the session says that its transfer was interrupted",
        limit_s=120,
    )
    meanwhile = stage.status(held.name)
    back = stage.azure.last_entry()
    kept = {"ttl": before["ttl"], "aRecords": before["aRecords"]}
    stage.azure.arm(record, ZONES, {"properties": kept})
    status = stage.outcome(held.name)

    assert "outcome" not in meanwhile
    assert said["status"] == "False"
    assert ACCOUNT.split("/")[-1] in said["message"]
    assert crossed(stage, held, REPOSITORY_HOST, gone, back) == []
    assert crossed(stage, held, REPOSITORY_HOST, back, None)
    assert (point_stored(stage, held) or 0) > back
    assert_failed_once_and_was_mended(stage, held, status, ACCOUNT.split("/")[-1], tmp_path)


def test_a_rejected_endpoint_ends_the_session_which_names_it_and_what_to_do_helps(
    stage: Stage, tmp_path: Path
) -> None:
    held = storing(stage, "approval-taken")
    rejected = connection(stage, ACCOUNT, STORAGE, held)
    endpoint = endpoint_of(rejected)

    state = {"status": "Rejected", "description": "not known to us"}
    stage.azure.arm(
        rejected["id"], STORAGE, {"properties": {"privateLinkServiceConnectionState": state}}
    )
    gone = let_go_once_cut(stage, held, REPOSITORY_HOST)
    status = stage.outcome(held.name)
    failed = stage.condition("backupsession", held.name, "Failed")
    crossing = crossed(stage, held, REPOSITORY_HOST, gone, None)
    points = stage.points()
    stage.azure.remove(endpoint, NETWORK)  # what docs/operations.md says of EndpointRejected
    stage.back_up("approval-back", held.machine.id)
    again = stage.outcome("approval-back")

    assert status["outcome"] == "Failed", status
    assert failed["reason"] == "EndpointRejected"
    assert endpoint.split("/")[-1] in failed["message"]
    assert ACCOUNT in failed["message"]
    assert crossing == []
    assert held.status["runId"] not in points
    assert point_stored(stage, held) is None
    assert again["outcome"] == "Succeeded", again
    assert stage.restored_wrongly(again["runId"], held.machine.disks, tmp_path) == []
