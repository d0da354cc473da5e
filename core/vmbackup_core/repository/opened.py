"""A repository of format 1.0, opened with a user key: what the operator and the command line use.

Thin: each method is one algorithm of docs/repository-format.md, done by `control`. The log is
used by one thread at a time; blocks are read by as many as ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from vmbackup_core.ids import DiskUniqueId, RepositoryId, RunId
from vmbackup_core.repository.control.backup.committing import (
    CommittedDisk,
    commit_disk,
    find_committed,
)
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk, prepare_disk
from vmbackup_core.repository.control.chains.chain_header import DiskChain, begin_anew
from vmbackup_core.repository.control.chains.holds import FoundHold, Holder, all_holds, release
from vmbackup_core.repository.control.check import CheckReport, check
from vmbackup_core.repository.control.commits.locking import Keep
from vmbackup_core.repository.control.keys import claiming
from vmbackup_core.repository.control.keys.key_entries import (
    KeyEntries,
    LogBeginner,
    check_control,
    end_epoch,
)
from vmbackup_core.repository.control.keys.known_keys import KnownKey, known_keys
from vmbackup_core.repository.control.log.heads import Head
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.log.log_reader import LogFinding, Reading
from vmbackup_core.repository.control.points import catalog, recording
from vmbackup_core.repository.control.points.points import OpenedPoint, PointDisk, RecoveryPoint
from vmbackup_core.repository.control.repair.lost_headers import put_copies_back
from vmbackup_core.repository.control.restore import restoring
from vmbackup_core.repository.data.grants import LEVEL, Parameters
from vmbackup_core.repository.data.restore import Holes, OnHole
from vmbackup_core.repository.opened_log import OpenedLog, Using
from vmbackup_core.repository.opened_repair import Repairs
from vmbackup_core.repository.opened_upkeep import Upkeep
from vmbackup_core.repository.primitives import user_keys
from vmbackup_core.repository.primitives.beginning import Beginner, begin
from vmbackup_core.repository.primitives.failures import KeyRingIncomplete
from vmbackup_core.repository.primitives.header import PutIfAbsent
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.printed import from_text, to_text
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.transfer import DiskSink, OnProgress, Progress


def _silent(_told: str | Progress) -> None:
    return


def begin_repository(
    places: Places, key: UserKey, using: Using, put_if_absent: PutIfAbsent
) -> OpenedRepository:
    """Return the repository in *places*, begun for the author's appliance where there is none.

    Where there is one it is opened, whosever it is: see `OpenedRepository.owner`. Raise
    ForeignObjects or RepositoryThere where something else lies, KeyMismatch for another key.
    """
    if using.author is None:
        raise ValueError("a repository is begun for an appliance")
    log = LogBeginner(places, using.heads, using.clock, using.author.by)
    begin(places, Beginner(key, using.author.appliance, put_if_absent), using.clock, log)
    return open_repository(places, key, using, put_if_absent=lambda: put_if_absent)


def open_repository(
    places: Places,
    key: UserKey,
    using: Using,
    *,
    put_if_absent: Callable[[], PutIfAbsent] | None = None,
) -> OpenedRepository:
    """Return the repository in *places*; raise NoRepository, ControlLost or KeyMismatch.

    For its owner lost copies of headers and wraps are put back. Where every header is lost, that
    takes *put_if_absent*, which finds out how control keeps a name that is taken.
    """
    opened = OpenedRepository(OpenedLog(places, key, using))
    if opened.head() is None:
        check_control(places, 0)
    if using.author is not None and not opened.read_only:
        opened.put_copies_back(put_if_absent)
    return opened


def import_printed_wrap(places: Places, text: str, key: UserKey) -> None:
    """Put the printed wrap *text*, which *key* opens, where a repository has lost its own."""
    user_keys.import_wrap(places, from_text(text), key)


class OpenedRepository:
    """Recovery points and the chains that hold their disks."""

    def __init__(self, work: OpenedLog) -> None:
        self._work = work

    @property
    def work(self) -> OpenedLog:
        """The log and the keys, for what the modules beside this one do."""
        return self._work

    @property
    def upkeep(self) -> Upkeep:
        """What the repository's owner does on a schedule."""
        return Upkeep(self._work)

    @property
    def repairs(self) -> Repairs:
        """What a person does about damage."""
        return Repairs(self._work)

    @property
    def places(self) -> Places:
        """The two stores."""
        return self._work.places

    @property
    def repository_id(self) -> RepositoryId:
        """The id that was drawn when the repository was begun."""
        return self._work.keys.repository

    @property
    def began_by(self) -> str | None:
        """The appliance that began the repository; None where every header is lost."""
        headers = self._work.keys.headers
        return headers[min(headers)].appliance_id if headers else None

    @property
    def owner(self) -> str | None:
        """The appliance that may write; to any other the repository is read-only."""
        return self._work.reading().state.owner

    @property
    def read_only(self) -> bool:
        """Whether it is another appliance's than ours."""
        return self.owner != self.log.author.appliance

    @property
    def key_fingerprint(self) -> Fingerprint:
        """The name of the user key that it was opened with."""
        return self._work.keys.key

    @property
    def log(self) -> Log:
        """The log, for one thread at a time."""
        return self._work.log

    @property
    def lost_copies(self) -> tuple[str, ...]:
        """The names of headers and wraps that one place or both have lost."""
        return tuple(sorted({each.name for each in self._work.keys.missing}))

    def put_copies_back(self, put_if_absent: Callable[[], PutIfAbsent] | None = None) -> None:
        """Put lost copies of headers and wraps back; what the store refuses stays lost."""
        with self._work.of_owner() as log:
            ours = put_copies_back(log, self.places, self._work.keys, self._work.key, put_if_absent)
            if ours:
                self._work.open()

    def log_findings(self) -> tuple[LogFinding, ...]:
        """Return what was found wrong with the log since it was opened; all else is read on."""
        with self._work.of_anybody():
            return tuple(self._work.findings)

    def reading(self) -> Reading:
        """Return what the log says at its end: all of it by one look."""
        return self._work.reading()

    def head(self) -> Head | None:
        """Return number and digest of the newest log object, to be written down."""
        reading = self._work.reading()
        return None if reading.sha256 is None else Head(reading.number, reading.sha256)

    # Points

    def counted(self, vm_arm_id: str | None = None) -> list[Recorded]:
        """Return the points that count, the newest first: all, or those of one VM."""
        state = self._work.reading().state
        return catalog.counted_of(self._work.log.control, state, vm_arm_id)

    def points(
        self,
        damaged: catalog.OnDamage | None = None,
        entries: Iterable[Recorded] | None = None,
    ) -> Iterator[OpenedPoint]:
        """Yield the points of *entries*, or every one that counts, the newest first.

        One that does not open is told to *damaged* and hides no other; without, it ends them all.
        """
        wanted = self.counted() if entries is None else entries
        return catalog.opened_points(self._work.log.control, wanted, damaged)

    def mirrored(self, damaged: catalog.OnDamage) -> list[OpenedPoint]:
        """Return the newest points of each VM, as a cluster shows them."""
        state = self._work.reading().state
        return catalog.mirrored(self._work.log.control, state, damaged)

    def find_point(self, vm_arm_id: str, run: RunId) -> OpenedPoint | None:
        """Return the point that *run* made of the VM, where it counts."""
        entries = (entry for entry in self.counted(vm_arm_id) if entry.run == run)
        return next(self.points(entries=entries), None)

    # Backup

    def prepare_disk(
        self,
        asked: DiskAsked,
        parameters: Parameters,
        *,
        deltas: bool = False,
        level: int = LEVEL,
    ) -> PreparedDisk:
        """Return what a worker needs to write the disk that is *asked* for."""
        with self._work.of_owner() as log:
            return prepare_disk(
                log, self.places.data, asked, parameters, deltas=deltas, level=level
            )

    def find_committed(self, asked: DiskAsked) -> CommittedDisk | None:
        """Return the run's own commit of the snapshot that is *asked* for."""
        with self._work.of_anybody() as log:
            return find_committed(log, self.places.data, asked)

    def commit_disk(
        self, asked: DiskAsked, manifest: str, sha256: str, keep: Keep | None = None
    ) -> CommittedDisk:
        """Commit the *manifest* that a worker has named, locked by *keep*; raise LostAttempt."""
        with self._work.of_owner() as log:
            return commit_disk(log, self.places.data, asked, manifest, sha256, keep)

    def lock_frame(self, generation_days: int) -> None:
        """Lock what all else is opened by, for this generation; raise LocksNotKept."""
        with self._work.of_owner() as log:
            now = log.clock.now()
            until = Keep(now, generation_days).locked_until(now)
            recording.lock_frame(log, self.places.data, until)

    def begin_anew(self, disk: DiskUniqueId, run: RunId, why: str) -> DiskChain:
        """Have backups of *disk* go to a new chain, by order of a person."""
        with self._work.of_owner() as log:
            return begin_anew(log, self.places.data, disk, run, why)

    def record(self, point: RecoveryPoint) -> Recorded:
        """Make *point* count, all of whose commits are there."""
        with self._work.of_anybody() as log:
            return recording.record(log, self.places.data, point)

    # Restore

    @contextmanager
    def held(
        self, point: RecoveryPoint, holder: Holder, say: restoring.Say = _silent
    ) -> Iterator[restoring.Held]:
        """Keep what *point* needs while its disks are restored; raise PointGone."""
        with self._work.of_anybody() as log:
            there = restoring.hold_point(log, point, holder, say)
        try:
            yield there
        finally:
            restoring.let_go(self._work.log.control, there, say)

    def restore_disk(  # noqa: PLR0913 - what, where to, how
        self,
        there: restoring.Held,
        disk: PointDisk,
        sink: DiskSink,
        *,
        progress: OnProgress = _silent,
        threads: int = 4,
        on_hole: OnHole | None = None,
        say: restoring.Say = _silent,
    ) -> Holes:
        """Write *disk* of the point that is held into *sink*: its blocks that are not zero.

        Damage is an error; with *on_hole* what it hides is told there and the rest is written. A
        disk of which nothing can be had is an error all the same.
        """
        return restoring.restore_disk(
            self._work.log.control,
            self.places.data,
            there,
            disk,
            sink,
            threads=threads,
            progress=progress,
            say=say,
            on_hole=on_hole,
        )

    # Check

    def check(
        self,
        *,
        read_data: bool,
        progress: OnProgress = _silent,
        on_look: Callable[[], None] = lambda: None,
        expect_head: Head | None = None,
    ) -> CheckReport:
        """Return what is not as it was written; with *read_data* every record is looked at.

        It may take hours, and keeps nobody else from working meanwhile.
        """
        return check(
            self._work.another_log(),
            self.places.data,
            read_data=read_data,
            progress=progress,
            on_look=on_look,
            expect_head=expect_head,
        )

    # Keys

    def known_keys(self) -> list[KnownKey]:
        """Return the user keys that open the repository, or did."""
        state = self._work.reading().state
        return known_keys(self.places, self._work.keys.ring, state)

    def add_key(self, key: UserKey, label: str | None = None) -> None:
        """Have *key* open every epoch that ours does."""
        with self._work.of_owner() as log:
            user_keys.add_key(self.places, self._work.keys, key, KeyEntries(log), label)

    def remove_key(self, removed: Fingerprint) -> user_keys.Removed:
        """Delete the wraps of another key; raise LastKey where ours is not enough without it."""
        with self._work.of_owner() as log:
            newest = log.read().state.newest_epoch
            return user_keys.remove_key(
                self.places, self._work.keys, newest, removed, KeyEntries(log)
            )

    def rotate(self, keys: Sequence[UserKey]) -> int:
        """Begin an epoch that *keys* open and no other key; return its number.

        Where another rotation is faster, the next one is begun: the last one to end is the newest.
        """
        self.put_copies_back()  # the number is one more than that of all headers
        with self._work.of_owner() as log:
            at, ours = Time.of(log.clock.now()), self._work.keys
            try:
                epoch = user_keys.rotate(self.places, ours, keys, at, KeyEntries(log))
            except (user_keys.EpochOvertaken, KeyRingIncomplete) as error:
                if error.epoch in ours.ring.epochs:
                    raise
                epoch = None
            self._work.open()
        return self.rotate(keys) if epoch is None else epoch

    def end_epoch(self, epoch: int) -> None:
        """Refuse commits of sessions of *epoch*, which is not the newest, from now on."""
        with self._work.of_owner() as log:
            end_epoch(log, epoch)

    def export_wrap(self, epoch: int | None = None) -> str:
        """Return our key's wrap of *epoch*, or of the newest that it opens, as it is printed."""
        chosen = max(self._work.keys.ring.masters) if epoch is None else epoch
        return to_text(user_keys.export_wrap(self.places, self._work.key, chosen))

    # A person's word

    def claim(self, appliance: str, owner: str | None) -> None:
        """Have *appliance* own the repository, which *owner* has had; raise OwnerChanged."""
        with self._work.of_anybody() as log:
            claiming.claim(log, appliance, owner)
            self._work.act_for(appliance)

    def holds(self) -> list[FoundHold]:
        """Return who keeps which manifests."""
        return list(all_holds(self._work.log.control))

    def remove_hold(self, found: FoundHold) -> None:
        """Delete a hold whose maker will not come back."""
        release(self._work.log.control, [(found.chain, found.slot)], found.holder)

    def accept_history(self) -> None:
        """Take the log's head as it is now: a person has looked."""
        with self._work.of_anybody() as log:
            log.reader.accept_history()
