"""How what sessions compete for is shared: in turns, and five exports to a disk access. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heapify, heappop, heapreplace

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.session import AnySession, Session
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.findings import ways_of
from vmbackup_operator.sessions.seen import SnapshotSeen

#: Azure lets at most five snapshots or disks be exported at once through one disk access.
EXPORTS_PER_DISK_ACCESS = 5

#: How much longer than the newest of those that go first it has waited who yields no more.
YIELDS = timedelta(hours=1)

#: The rank of who lets all others go first.
_LAST_RANK = 2

#: When a session began, and what tells it from one of the same second.
_Came = tuple[str, str, str]


def turns(waiting: Iterable[AnySession], held: Mapping[str, int]) -> Iterator[AnySession]:
    """Return who waits in the order of their turns; *held* counts what each namespace holds.

    Restores go before backups, and backups before what reads back; but whoever has waited for more
    than `YIELDS` longer than the newest of those that would go first yields no more, and so is
    overtaken by a bounded number. Among those that go at once, namespaces take turns, the one that
    holds least first; within one it is first come, first served. Whoever needs the first few takes
    no more.
    """
    left, counts = list(waiting), Counter(held)
    while left:
        going, yielding = _parted(left)
        yield from _in_turns(going, counts)
        counts.update(each.metadata.namespace for each in going)
        left = yielding


def _parted(sessions: Sequence[AnySession]) -> tuple[list[AnySession], list[AnySession]]:
    """Return those of *sessions* that go, and those that let others of them go first."""
    newest: dict[int, datetime] = {}
    for each in sessions:
        began = each.status.start_time
        for rank in range(_rank(each) + 1, _LAST_RANK + 1):
            # What those of the rank yield to: the newest of all that come before it.
            if began is not None and began >= newest.get(rank, began):
                newest[rank] = began
    going: list[AnySession] = []
    yielding: list[AnySession] = []
    for each in sessions:
        (yielding if _yields_to(each, newest.get(_rank(each))) else going).append(each)
    return going, yielding


def _yields_to(session: Session, newest: datetime | None) -> bool:
    began = session.status.start_time
    return newest is not None and (began is None or newest - began <= YIELDS)


def _rank(session: Session) -> int:
    """Return who lets whom go first: somebody waits for a restore, nobody for copy or reading."""
    match session:
        case RestoreSession():
            return 0
        case BackupSession() if session.spec.type != "Backup":
            return _LAST_RANK
        case _:
            return 1


def _in_turns(waiting: Iterable[AnySession], held: Mapping[str, int]) -> Iterator[AnySession]:
    by_namespace: dict[str, list[tuple[_Came, AnySession]]] = {}
    for session in waiting:
        line = by_namespace.setdefault(session.metadata.namespace, [])
        line.append((_came(session), session))
    for line in by_namespace.values():
        heapify(line)
    # Per namespace one entry: what it holds, and who is next in it.
    next_ones = [(held.get(name, 0), line[0][0], name) for name, line in by_namespace.items()]
    heapify(next_ones)
    while next_ones:
        count, _, name = next_ones[0]
        line = by_namespace[name]
        yield heappop(line)[1]
        if line:
            heapreplace(next_ones, (count + 1, line[0][0], name))
        else:
            heappop(next_ones)


def _came(session: Session) -> _Came:
    """Return the session's place in time; one that was not begun yet is the first."""
    began = session.status.start_time
    key = session.key
    return ("" if began is None else began.isoformat(), key.namespace, key.name)


def exports_in_use(
    unfinished: Iterable[Session], snapshots: Iterable[SnapshotSeen], session: Session
) -> Counter[str]:
    """Return how many exports each disk access holds for others, by its id in lower case.

    What sessions were allotted counts, and what Azure says is exported: it may be a leftover.
    """
    own = {folded(each) for each, _ in ways_of(session)}
    held: dict[str, str] = {}
    for other in unfinished:
        if other.key != session.key:
            for each, access in ways_of(other):
                held[folded(each)] = folded(access or "")
    for seen in snapshots:
        if seen.exported and seen.disk_access_id is not None and folded(seen.id) not in own:
            held.setdefault(folded(seen.id), folded(seen.disk_access_id))
    return Counter(access for access in held.values() if access)


def other_ways(session: Session, exported: Collection[ArmId]) -> Iterator[str]:
    """Return the disk access of each of the session's exports but those of *exported*."""
    wanted = {folded(each) for each in exported}
    for each, access in ways_of(session):
        if access and folded(each) not in wanted:
            yield folded(access)


@dataclass(frozen=True, slots=True)
class ExportsWanted:
    """The snapshots that are to be exported; *access_of* names the nth disk access.

    Those that are *tied* to one stay there as long as it has room: a tie is a request to Azure.
    """

    snapshots: Sequence[ArmId]
    access_of: Callable[[int], ArmId]
    tied: Mapping[ArmId, ArmId] = field(default_factory=dict)


def spread(wanted: ExportsWanted, in_use: Mapping[str, int]) -> dict[ArmId, ArmId]:
    """Return a disk access for each of *wanted*: the free places of those of the lowest numbers."""
    through: dict[ArmId, ArmId] = {}
    held = Counter(in_use)
    for snapshot, access in wanted.tied.items():
        if held[folded(access)] < EXPORTS_PER_DISK_ACCESS:
            through[snapshot] = access
            held[folded(access)] += 1
    rest, number = [each for each in wanted.snapshots if each not in through], 0
    while rest:
        access = wanted.access_of(number)
        free = max(0, EXPORTS_PER_DISK_ACCESS - held[folded(access)])
        through.update(dict.fromkeys(rest[:free], access))
        rest, number = rest[free:], number + 1
    return through
