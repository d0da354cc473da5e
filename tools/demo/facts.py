"""What the journal of a backup must show; each function yields complaints, none when it holds.

They are pure, so that tests can show each of them failing on a journal that breaks its rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tools.demo.journal import Entry, done_to, first, is_put, last, same, spans

SNAPSHOTS = "Microsoft.Compute/snapshots"
MACHINES = "Microsoft.Compute/virtualMachines"
RUN_COMMANDS = "Microsoft.Compute/virtualMachines/runCommands"
DISK_ACCESSES = "Microsoft.Compute/diskAccesses"
ENDPOINTS = "Microsoft.Network/privateEndpoints"
ACCOUNTS = "Microsoft.Storage/storageAccounts"

#: Where the operator keeps recovery points and the log: of a repository, in its second container.
_CONTROL = "-control/"
_POINT, _LOG = f"{_CONTROL}v/", f"{_CONTROL}l/"

#: What lies between two allocated extents and is shorter may be read with them.
_READ_ALONG = 256 * 1024

#: Who the operator is to the API server.
OPERATOR_USER = "system:serviceaccount:vmbackup-system:vmbackup-operator"

#: Everything that belongs to a region's environment and must not be written by a second session.
ENVIRONMENT_TYPES = (
    "Microsoft.Resources/resourceGroups",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/virtualNetworks/subnets",
    "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
    "Microsoft.Network/networkSecurityGroups",
    ENDPOINTS,
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    ACCOUNTS,
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    DISK_ACCESSES,
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the facts need to know beside the journal."""

    region_account_id: str
    home_account_name: str
    repository_host: str
    snapshot_extents: Mapping[str, Sequence[tuple[int, int]]]
    bundle_md5: Mapping[str, str]
    disks: int
    #: What of each snapshot is another than in the one before, as the disks' bytes show it.
    snapshot_changes: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)


def steps_in_order(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain unless each step's first request comes after that of the step before it."""
    steps: list[tuple[str, Callable[[Entry], bool]]] = [
        ("snapshots requested", lambda e: e.is_write(SNAPSHOTS)),
        (
            "region's account requested",
            lambda e: e.is_write(ACCOUNTS) and same(e.path, scene.region_account_id),
        ),
        ("worker VM requested", lambda e: e.is_write(MACHINES)),
        ("run command requested", lambda e: e.is_write(RUN_COMMANDS)),
        ("disk access requested", lambda e: e.is_write(DISK_ACCESSES)),
        (
            "snapshot associated",
            lambda e: e.is_write(SNAPSHOTS) and "diskAccessId" in str(e.request),
        ),
        ("access granted", lambda e: e.is_action(SNAPSHOTS, "beginGetAccess")),
        ("export read", lambda e: e.service == "export" and e.succeeded),
        ("pack stored", lambda e: is_put(e, scene.repository_host, "/p/")),
        ("disk committed", lambda e: is_put(e, scene.repository_host, "/k/")),
        ("recovery point stored", lambda e: is_put(e, scene.repository_host, _POINT)),
        ("access ended", lambda e: e.is_action(SNAPSHOTS, "endGetAccess")),
        ("worker deallocated", lambda e: e.is_action(MACHINES, "deallocate")),
    ]
    before, before_at = "the start", 0
    for name, matches in steps:
        at = first(entries, matches)
        if at is None:
            yield f"never seen: {name}"
        elif at < before_at:
            yield f"{name} (entry {at}) came before {before} (entry {before_at})"
        else:
            before, before_at = name, at


def snapshots_tagged_when_created(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain unless the PUT that creates a snapshot carries sealed tags and closes it."""
    created = [e for e in entries if e.is_write(SNAPSHOTS) and e.method == "PUT"]
    if len({e.path.lower() for e in created}) != scene.disks:
        yield f"{len(created)} snapshots were created for {scene.disks} disks"
    for entry in created:
        tags = entry.request.get("tags", {})
        properties = entry.request["properties"]
        if not any(name.startswith("vmbackup-sealed") for name in tags):
            yield f"{entry.path} was created without sealed tags: {sorted(tags)}"
        if properties.get("networkAccessPolicy") != "DenyAll" or not properties.get("incremental"):
            yield f"{entry.path} was created open or not incremental"


def bundle_checked(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain unless every file of the bundle was stored under its MD5 and read by a worker."""
    for name, md5 in scene.bundle_md5.items():
        puts = [e for e in entries if e.service == "blob" and e.method == "PUT" and _ends(e, name)]
        if not any(e.succeeded and e.detail.get("content_md5") == md5 for e in puts):
            yield f"bundle file {name} was not stored with its MD5"
        if not any(
            e.service == "blob" and e.method == "GET" and e.caller != "appliance" and _ends(e, name)
            for e in entries
        ):
            yield f"bundle file {name} was not read by a worker"


def queues_at_home(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain unless each launch has two queues of its own, at home, which go with it."""
    created, deleted = _queues(entries, "PUT"), _queues(entries, "DELETE")
    launches = {e.path.lower() for e in entries if e.is_write(RUN_COMMANDS)}
    kinds = Counter(path.split("-")[1] for _, path in created if "-" in path)
    if not kinds["events"] == kinds["jobs"] == len(launches):
        yield f"{dict(kinds)} queues for {len(launches)} launches"
    for host, path in created - deleted:
        yield f"queue {path} on {host} outlived its launch"
    for host, path in created:
        if host.split(".")[0] != scene.home_account_name:
            yield f"queue {path} is on {host}, not in the home region"


def _queues(entries: Sequence[Entry], method: str) -> set[tuple[str, str]]:
    return {
        (e.host, e.path.strip("/"))
        for e in entries
        if e.service == "queue" and e.method == method and e.succeeded and "/messages" not in e.path
    }


def access_only_when_private(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain unless each snapshot has a disk access before access to it is granted."""
    for snapshot in scene.snapshot_extents:
        patched = first(entries, _associates(snapshot))
        granted = first(entries, done_to(snapshot, "beginGetAccess"))
        if granted is None or patched is None or patched > granted:
            yield f"{snapshot}: associated at {patched}, access granted at {granted}"


def no_access_left(entries: Sequence[Entry], scene: object) -> Iterator[str]:
    """Complain of every snapshot and disk to which access was granted and not ended behind that."""
    del scene
    granted = {e.path for e in entries if e.path.lower().endswith("/begingetaccess")}
    for resource in sorted({path.rpartition("/")[0].lower() for path in granted}):
        began = last(entries, done_to(resource, "beginGetAccess")) or 0
        ended = last(entries, done_to(resource, "endGetAccess"))
        if ended is None or ended < began:
            yield f"{resource}: access was not ended"


def reads_are_the_allocated_extents(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain unless each allocated byte was read from its export, and of others only small gaps.

    What lies less than 256 KiB apart costs less as one read than as two.
    """
    for snapshot, extents in scene.snapshot_extents.items():
        read = spans(entries, "GetBlob", snapshot)
        if _joined(read) != _joined(sorted(extents), gap=_READ_ALONG):
            got, owed = sum(n for _, n in read), sum(n for _, n in extents)
            yield f"{snapshot}: {got} bytes read where {owed} are allocated"


def commits_after_packs(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain where something of a chain was stored after its commit.

    A recovery point comes after the commits, and the log says last of all that it counts.
    """
    stored = [e for e in entries if is_put(e, scene.repository_host, "/c/")]
    committed: set[str] = set()
    for entry in stored:
        chain, kind = entry.path.split("/c/")[1].split("/")[:2]
        if kind == "k":
            committed.add(chain)
        elif chain in committed:
            yield f"{entry.path} was stored after its chain's commit"
    point = first(entries, lambda e: is_put(e, scene.repository_host, _POINT))
    if len(committed) != scene.disks:
        yield f"{len(committed)} chains were committed for {scene.disks} disks"
    if point is not None and point < (last(stored, lambda e: "/k/" in e.path) or 0):
        yield f"the recovery point (entry {point}) was stored before a commit"
    logged = last(entries, lambda e: is_put(e, scene.repository_host, _LOG))
    if logged is None or (point is not None and logged < point):
        yield "the log does not say that the recovery point counts"


def workers_reach_data_alone(entries: Sequence[Entry], scene: Scene) -> Iterator[str]:
    """Complain where a worker asked for anything in the control container, or listed."""
    for entry in entries:
        if entry.host != scene.repository_host or entry.caller == "appliance":
            continue
        if _CONTROL in entry.path:
            yield f"{entry.caller} asked for {entry.path}"
        if "comp=list" in entry.query:
            yield f"{entry.caller} listed {entry.path}"


def worker_released(entries: Sequence[Entry], scene: object) -> Iterator[str]:
    """Complain of every worker that was made or started and neither deallocated nor deleted."""
    del scene
    made = {e.path.lower() for e in entries if e.is_write(MACHINES)}
    began = {e.path.lower() for e in entries if e.is_action(MACHINES, "start")}
    for worker in made | {path.removesuffix("/start") for path in began}:
        stopped = last(entries, done_to(worker, "deallocate"))
        deleted = last(entries, _deletes(worker))
        started = last(entries, done_to(worker, "start")) or 0
        if max(stopped or 0, deleted or 0) <= started:
            yield f"{worker} was neither deallocated nor deleted"


#: Facts in the order in which they are asserted.
Rules = Sequence[Callable[[Sequence[Entry], Scene], Iterator[str]]]

#: What must hold after a first backup.
FIRST_BACKUP: Rules = (
    steps_in_order,
    snapshots_tagged_when_created,
    bundle_checked,
    queues_at_home,
    access_only_when_private,
    no_access_left,
    reads_are_the_allocated_extents,
    commits_after_packs,
    workers_reach_data_alone,
    worker_released,
)


def nothing_refused(audit: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Complain of every request of the operator's that the API server refused."""
    for line in audit:
        user, status = line.get("user"), line.get("responseStatus")
        asked_by_operator = isinstance(user, dict) and user.get("username") == OPERATOR_USER
        refused = isinstance(status, dict) and status.get("code") in {401, 403}
        if asked_by_operator and refused and isinstance(status, dict):
            yield f"{line.get('verb')} {line.get('requestURI')}: {status.get('code')}"


def _ends(entry: Entry, name: str) -> bool:
    return entry.path.endswith(f"/{name}")


def _deletes(resource: str) -> Callable[[Entry], bool]:
    return lambda e: e.method == "DELETE" and e.succeeded and same(e.path, resource)


def _associates(snapshot: str) -> Callable[[Entry], bool]:
    return lambda e: (
        e.is_write(SNAPSHOTS) and same(e.path, snapshot) and "diskAccessId" in str(e.request)
    )


def _joined(extents: Sequence[tuple[int, int]], gap: int = 1) -> list[tuple[int, int]]:
    """Return *extents*, in order and disjoint, with those that are less than *gap* apart as one."""
    joined: list[tuple[int, int]] = []
    for offset, length in extents:
        if joined and 0 <= offset - sum(joined[-1]) < gap:
            joined[-1] = (joined[-1][0], offset + length - joined[-1][0])
        else:
            joined.append((offset, length))
    return joined
