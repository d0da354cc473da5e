"""What a worker's answer comes to: what is believed is logged, counted and told to people."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_core.protocol import VerifyResult
from vmbackup_core.repository.control.verify.verify_work import Judged, VerifyWork
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus, VerifySpec
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.model.progress import Progress
from vmbackup_operator.model.session_findings import Verified
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.findings import run_of, worker_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken, TryAgain

#: The schema's bounds on findings, each and together, and on a count.
FINDING_CHARS = 300
MOST_FINDINGS = 5
MOST_COUNTED = 2**53 - 1

#: What people are to do about damage.
_ADVICE = (
    "backups store what is damaged anew; vmbackup repository check names the recovery points that "
    "it hurts, and vmbackup repository repair heals what it can"
)

#: What people are to do where what is stored is not the disk.
_DISTRUST = (
    "what the worker of that backup stored is not the disk, if this one says the truth: read it "
    "back once more, and make another backup, with newChain, which reads the whole disk"
)


async def judge_answer(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    work: VerifyWork,
    result: VerifyResult | None,
) -> Taken:
    """Have the answer judged, and go on behind what is proven; None: no worker was asked."""
    told = None if result is None else result.told()
    judged = await ground.verifications.judge(repository, work, told)
    if isinstance(judged, Waiting):
        return Taken(session.status, judged)
    ground.works.pop(run_of(session), None)
    before = verified_of(session)
    verified = _with_judged(before, judged, 0 if result is None else result.records)
    status = replace(
        session.status,
        verified=verified,
        verifying=None,
        moved_time=ground.clock.now().replace(microsecond=0),
        progress=_shown(verified, work.left_bytes),
    )
    if judged.differing:
        await _tell_difference(ground, session, judged)
    if judged.bad or (_said(judged) and not judged.differing):
        await _tell_damage(ground, session, judged)
    if judged.refuted:
        return Taken(status, _contradicted(session, judged))
    return Taken(status, Waiting(0, _so_far(verified)))


def verified_of(session: BackupSession) -> Verified:
    """Return what the session has read back so far."""
    return session.status.verified or Verified()


def concluded(session: BackupSession) -> BackupSessionStatus:
    """Return the status of a session that has nothing left to read, with what came of it."""
    verified = verified_of(session)
    said, is_well = [_so_far(verified), *_compared(session, verified)], not _is_ill(verified)
    if verified.bad:
        said.append(f"{counted(verified.bad, 'object')} damaged or gone")
    if verified.differing:
        said.append(f"{counted(verified.differing, 'block')} other than the snapshot's")
    if verified.unreadable:
        said.append(f"{counted(verified.unreadable, 'object')} not readable now")
    if verified.archived:
        said.append(not_read(verified.archived))
    if is_well:
        said.append("not all of it opens" if verified.findings else "nothing is wrong")
    conclusion = cut("; ".join((*said, *verified.findings)), MAX_MESSAGE)
    progress = replace(_shown(verified, 0), percent=100)
    done = replace(verified, conclusion=conclusion)
    return replace(session.status, verified=done, verifying=None, progress=progress)


def not_read(archived: int) -> str:
    """Return what is said of so many packs that lie in the Archive tier."""
    packs = counted(archived, "pack")
    return f"{packs} in the Archive tier: there, as long as stored, and not read"


def _is_ill(verified: Verified) -> bool:
    return bool(verified.bad or verified.differing or verified.unreadable)


def _compared(session: BackupSession, verified: Verified) -> list[str]:
    """Return what is said of the sample: how much was compared, and why with no snapshot."""
    wanted = session.spec.verify or VerifySpec()
    said = []
    if verified.sampled:
        said.append(f"compared with snapshots: {counted(verified.sampled, 'block')}")
    if verified.unsampled:
        beside = "with all" if verified.sampled else "with any snapshot"
        said.append(f"not compared {beside}: {verified.unsampled}")
    elif not verified.sampled and wanted.sample_per_disk:
        said.append("no block was compared with a snapshot")
    return said


def _so_far(verified: Verified) -> str:
    return f"read back: {counted(verified.packs, 'pack')}, {amount(verified.bytes)}"


def _with_judged(before: Verified, judged: Judged, records: int) -> Verified:
    """Return the totals, and where the next job goes on: again there, where this one is refuted.

    *records* are the worker's word.
    """
    said = (cut(each, FINDING_CHARS) for each in _said(judged))
    findings = tuple(dict.fromkeys((*before.findings, *said)))
    believed = 0 if judged.refuted else records
    return replace(
        before,
        packs=before.packs + judged.proven,
        records=min(before.records + believed, MOST_COUNTED),
        bytes=before.bytes + judged.proven_bytes,
        bad=before.bad + judged.bad,
        refuted=before.refuted + judged.refuted,
        unreadable=before.unreadable + judged.unreadable,
        archived=before.archived + judged.archived,
        sampled=before.sampled + judged.sampled,
        differing=before.differing + judged.differing,
        cursor=before.cursor if judged.refuted else judged.cursor,
        findings=findings[:MOST_FINDINGS],
    )


def _said(judged: Judged) -> tuple[str, ...]:
    """Return what is said for people, where it is not of a worker's lies alone."""
    return judged.says if judged.bad or not judged.refuted else ()


def _contradicted(session: BackupSession, judged: Judged) -> TryAgain:
    message = (
        f"worker {worker_of(session).id} called {counted(judged.refuted, 'object')} damaged that "
        "the operator found whole: nothing that it said is believed, and another one is asked"
    )
    return TryAgain("WorkerContradicted", message, abandons_worker=True)


def _shown(verified: Verified, left_bytes: int) -> Progress:
    total = verified.bytes + left_bytes
    percent = min(99, 100 * verified.bytes // total) if total else 0
    return Progress(percent, total, verified.bytes, 0)


async def _tell_damage(ground: Ground, session: BackupSession, judged: Judged) -> None:
    bad = f"{counted(judged.bad, 'object')} of it damaged or gone"
    found = [bad if judged.bad else "not all of it opens"]
    message = "; ".join((*found, *_said(judged)[:MOST_FINDINGS], _ADVICE))
    await ground.events.tell(session, "Warning", "VerifyFoundDamage", cut(message, MAX_MESSAGE))


async def _tell_difference(ground: Ground, session: BackupSession, judged: Judged) -> None:
    found = f"{counted(judged.differing, 'block')} other than the snapshot's"
    message = "; ".join((found, *_said(judged)[:MOST_FINDINGS], _DISTRUST))
    await ground.events.tell(session, "Warning", "StoredIsNotTheDisk", cut(message, MAX_MESSAGE))
