"""``vmbackup repository repair``: stores lost blocks again, and says what is lost for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.check import CheckReport, Finding
from vmbackup_core.repository.control.log.log_entries import Bad, Healed
from vmbackup_core.repository.control.repair.repairing import Elsewhere, RepairPlan
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.opened_repair import Repairs
from vmbackup_core.repository.primitives.identities import draw
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_operator.cli.commands import Repair
from vmbackup_operator.cli.complaints import DAMAGE, GOOD
from vmbackup_operator.cli.opening import open_at, open_other, put_if_absent_at
from vmbackup_operator.cli.printing import Console, number_of
from vmbackup_operator.cli.progress import ProgressLine, counted
from vmbackup_operator.cli.repaired import Mended, Repaired, write_repaired
from vmbackup_operator.cli.snapshots import snapshot_of

#: What people read of who holds what is repaired.
HOLDER = "vmbackup repository repair"


@dataclass(frozen=True, slots=True)
class _Work:
    """A repair under way: what is asked for, where, and as which run."""

    asked: Repair
    repository: OpenedRepository
    elsewhere: Elsewhere
    chains: frozenset[ChainId] | None
    run: RunId
    console: Console

    @property
    def repairs(self) -> Repairs:
        """What the repository can have done about damage."""
        return self.repository.repairs

    def line(self, what: str) -> ProgressLine:
        """Return what tells how far it has come."""
        return ProgressLine(what, self.console, quiet=self.asked.where.quiet)

    def is_meant(self, chain: ChainId) -> bool:
        """Tell whether the chain is of the disk that was asked for."""
        return self.chains is None or chain in self.chains


def repair(asked: Repair, console: Console) -> int:
    """Heal what can be healed, or with ``--dry-run`` say what that would be; print what stays."""
    repository = open_at(asked.where, console)
    with (
        ProgressLine("other repository", console, quiet=asked.where.quiet) as line,
        snapshot_of(asked.elsewhere, console) as snapshot,
    ):
        work = _prepared(asked, repository, console, line, snapshot)
        put_back = _put_copies_back(work)
        report = _checked(work)
        bad = work.repairs.confirm_bad(report)
        if not asked.dry_run:
            work.repairs.log_bad(bad)
        chains = [each for each in work.repairs.chains(report, bad) if work.is_meant(each)]
        mended = [_mend(work, chain, bad) for chain in chains]
    left = tuple(_left(report, mended))
    done = Repaired(asked.dry_run, put_back, bad, tuple(mended), left, work.repairs.unfinished())
    write_repaired(done, asked.where, console)
    return DAMAGE if left else GOOD


def _prepared(
    asked: Repair,
    repository: OpenedRepository,
    console: Console,
    line: ProgressLine,
    snapshot: tuple[DiskSource, int] | None,
) -> _Work:
    """Look at everything that was given before anything is written."""
    elsewhere = Elsewhere()
    if snapshot is not None:
        elsewhere = replace(elsewhere, snapshot=snapshot[0], snapshot_bytes=snapshot[1])
    if asked.elsewhere.other is not None:
        other = open_other(asked.elsewhere.other, console)
        one_more = _counting(line)
        elsewhere = replace(elsewhere, repository=other.repairs.as_source(one_more))
    chains = None if asked.disk is None else chains_of(repository, asked.disk)
    return _Work(asked, repository, elsewhere, chains, RunId(draw()), console)


def chains_of(repository: OpenedRepository, disk: str) -> frozenset[ChainId]:
    """Return the chains of the disk of this name or id; raise PermanentError where none is."""
    found = [each.chain for each in repository.repairs.disks() if each.is_called(disk)]
    if not found:
        raise PermanentError(
            f"the repository has no disk called {disk}; list --manifests has those that there are",
            reason="NoSuchDisk",
        )
    return frozenset(found)


def _counting(line: ProgressLine) -> Callable[[], None]:
    looked = 0

    def one_more() -> None:
        nonlocal looked
        looked += 1
        line.say(f"looked into {number_of(looked, 'pack')}")

    return one_more


def _put_copies_back(work: _Work) -> tuple[str, ...]:
    """Return the headers and wraps that are back, or would be."""
    lost = work.repository.lost_copies
    if lost and not work.asked.dry_run:
        work.repository.put_copies_back(lambda: put_if_absent_at(work.asked.where))
        still = set(work.repository.lost_copies)
        return tuple(name for name in lost if name not in still)
    return lost


def _checked(work: _Work) -> CheckReport:
    line = work.line("check")
    with counted(line, "look") as one_more:
        on_look = (lambda: None) if work.asked.read_data else one_more
        return work.repository.check(
            read_data=work.asked.read_data, progress=line.show, on_look=on_look
        )


def _mend(work: _Work, chain: ChainId, bad: Sequence[Bad]) -> Mended:
    """Plan what can be stored again of a chain, and do so behind holds unless it is a dry run."""
    is_dry = work.asked.dry_run
    held = nullcontext() if is_dry else work.repairs.held(chain, work.run, HOLDER)
    with held:
        plan = work.repairs.plan(chain, work.elsewhere, bad)
        healed = None if plan is None or is_dry else _heal(work, plan)
    return Mended(chain, plan, healed)


def _heal(work: _Work, plan: RepairPlan) -> Healed | None:
    with counted(work.line(plan.disk.name), "block") as one_more:
        return work.repairs.heal(plan, work.run, one_more)


def _left(report: CheckReport, mended: Sequence[Mended]) -> Iterator[Finding]:
    """Yield what stays lost: of chains that were planned as planned, of all else as found."""
    planned = [f"c/{each.chain}/" for each in mended if each.plan is not None]
    for each in mended:
        yield from () if each.plan is None else each.plan.hopeless
    for finding in report.findings:
        if finding.points and not finding.object.startswith(tuple(planned)):
            yield finding
