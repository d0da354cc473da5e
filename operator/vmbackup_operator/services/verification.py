"""What of repositories is read back: their jobs, and what is believed of workers' answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from typing_extensions import override

from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.control.verify.verify_work import (
    Judged,
    VerifyAsked,
    VerifyWork,
    VmDue,
)
from vmbackup_core.repository.data.verify_told import VerifyTold
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.opened_verify import Verification
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.repositories.ports import Secrets
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.sessions.ports import Verifications

T = TypeVar("T")


class StoredVerifications(Verifications):
    """Verifications of repositories that are opened with the keys of their Secrets."""

    def __init__(self, opened: OpenedRepositories, secrets: Secrets) -> None:
        self._opened = opened
        self._secrets = secrets

    @override
    async def next_job(
        self, repository: BackupRepository, vm_id: ArmId, asked: VerifyAsked
    ) -> VerifyWork | Waiting | None:
        return await self._use(
            repository, ("next job", vm_id, asked), lambda each: each.plan(vm_id, asked)
        )

    @override
    async def sampled(
        self, repository: BackupRepository, vm_id: ArmId
    ) -> Mapping[ChainId, CommitSlot] | Waiting:
        return await self._use(repository, ("sampled", vm_id), lambda each: each.sampled(vm_id))

    @override
    async def judge(
        self, repository: BackupRepository, work: VerifyWork, told: VerifyTold | None
    ) -> Judged | Waiting:
        what = ("judge", work.place, work.fingerprint, told)
        return await self._use(repository, what, lambda each: each.judge(work, told))

    @override
    async def let_go(self, repository: BackupRepository, run_id: RunId) -> Waiting | None:
        return await self._use(repository, ("let go", run_id), lambda each: each.let_go(run_id))

    @override
    async def due(
        self,
        repository: BackupRepository,
        new_within: timedelta,
        all_within: timedelta,
        now: datetime,
        verified: Mapping[str, datetime] | None = None,
    ) -> Sequence[VmDue] | Waiting:
        known = verified or {}
        # Without *now*: who asks again for the answer asks at another moment.
        what = ("due", new_within, all_within, frozenset(known.items()))
        return await self._use(
            repository, what, lambda each: each.due(new_within, all_within, now, known)
        )

    async def _use(
        self, repository: BackupRepository, what: Hashable, work: Callable[[Verification], T]
    ) -> T | Waiting:
        def of_opened(opened: OpenedRepository) -> T:
            return work(Verification(opened.work))

        key = await find_key(self._secrets, repository)
        return await self._opened.use(repository, key, what, of_opened)
