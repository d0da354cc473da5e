"""Whether what a policy means may be backed up, and is there: one finding for each thing amiss."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import BackupPolicy, Selector
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.policies.ports import MachineListed, OtherSubscriptions, Repositories
from vmbackup_operator.policies.presence import Presence
from vmbackup_operator.policies.selection import selected, unknown_luns, why_not_supported
from vmbackup_operator.reconciling.archives_alone import archives_alone
from vmbackup_operator.reconciling.other_subscriptions import (
    export_refused,
    is_elsewhere,
    subscription_refused,
)
from vmbackup_operator.reconciling.outcome import reason_of
from vmbackup_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing amiss, as a condition says it.

    *passing*: nobody need do anything about it. *blocking*: no session can be made meanwhile; one
    that can waits by itself, so that a slot is not missed because Azure had a bad hour. *notice*:
    all is well, and worth a word.
    """

    reason: str
    message: str
    passing: bool = False
    blocking: bool = True
    notice: bool = False


#: So many VMs a message names that are in other policies too.
MOST_SHARED = 20


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM as it was named or found, as it was listed, and what is amiss with it."""

    id: ArmId
    listed: MachineListed | None = None
    finding: Finding | None = None
    trouble: TransientError | None = None

    @property
    def is_able(self) -> bool:
        """Tell whether a session can be made for the VM."""
        return self.finding is None or not self.finding.blocking


@dataclass(frozen=True, slots=True)
class Standing:
    """The VMs that can be backed up, and what is amiss with the others or with all.

    *meant* are all VMs that the policy means, None where that is not known. *unsure*: Azure could
    not be asked, and what it said before is not known. *trouble* is why the look has to be repeated
    soon.
    """

    machines: tuple[ArmId, ...]
    findings: tuple[Finding, ...]
    trouble: TransientError | None = None
    meant: tuple[Machine, ...] | None = None
    unsure: bool = False


@dataclass(slots=True)
class _Scopes:
    """What the scopes of a selector came to, one after the other."""

    listed: list[MachineListed] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    trouble: TransientError | None = None
    unsure: bool = False
    refused: bool = False


@dataclass(slots=True)
class Surveyor:
    """Looks at what policies mean, and remembers which VMs each of them does."""

    settings: Settings
    repositories: Repositories
    presence: Presence
    elsewhere: OtherSubscriptions
    _meant: dict[ObjectKey, frozenset[str]] = field(default_factory=dict)

    async def look(self, policy: BackupPolicy, *, asked: bool = False) -> Standing:
        """Return how *policy* stands; no VM can be backed up without the repository.

        *asked*: somebody has just changed the policy, or asked for a backup. A VM that he names may
        be younger than the last list, and is not called absent by that one.
        """
        amiss = None if policy.spec.type == "Snapshot" else await self._repository(policy)
        if amiss is not None and amiss.blocking:
            return Standing((), (amiss,))
        namespace, wanted = policy.metadata.namespace, policy.spec.virtual_machines
        ids = map(ArmId, wanted.ids)
        since_s = self.presence.now_s() if asked else None
        named = await asyncio.gather(*(self._machine(policy, each, since_s) for each in ids))
        scopes = await self._scopes(namespace, wanted.selector)
        found = _found(policy, scopes.listed, named)
        machines = (*named, *found)
        if policy.spec.type != "Snapshot":  # whose data stays where it is
            machines = (*await self._crossing(named), *await self._crossing(found, notice=True))
        self._meant[policy.metadata.key] = frozenset(folded(each.id) for each in machines)
        findings = [amiss, *scopes.findings, *(each.finding for each in machines)]
        findings += [self._shared(policy, machines)]
        known = not (scopes.unsure or scopes.refused)
        if known:
            findings += [_unknown_luns(policy, machines), _nothing(policy, len(named), machines)]
        troubles = [scopes.trouble, *(each.trouble for each in machines)]
        return Standing(
            machines=tuple(each.id for each in machines if each.is_able),
            findings=tuple(each for each in findings if each is not None),
            trouble=next((each for each in troubles if each is not None), None),
            meant=machines if known else None,
            unsure=scopes.unsure,
        )

    async def retention_delay(self, policy: BackupPolicy, now: datetime) -> timedelta | None:
        """Return for how long a shorter retention waits; None where the repository is not known."""
        if policy.spec.type == "Snapshot":
            return self.settings.snapshot_sets.retention_change_delay
        namespace = policy.metadata.namespace
        key = policy.spec.stored_in.key_from(namespace)
        if not self.settings.may_use_repository(namespace, key.namespace, key.name):
            return None
        repository = await self.repositories.find(key)
        return None if repository is None else repository.retention_change_delay(now)

    def forget(self, key: ObjectKey) -> None:
        """Forget the policy: it is gone."""
        self._meant.pop(key, None)

    def _shared(self, policy: BackupPolicy, machines: Sequence[Machine]) -> Finding | None:
        """Say which VMs other policies of the namespace mean too; foreign ones are not told of."""
        own = policy.metadata.key
        pairs = sorted(
            (name_of(machine.id), key.name)
            for key, others in self._meant.items()
            for machine in machines
            if key != own and key.namespace == own.namespace and folded(machine.id) in others
        )
        if not pairs:
            return None
        said = ", ".join(f"{name} is in policy {other} too" for name, other in pairs[:MOST_SHARED])
        if len(pairs) > MOST_SHARED:
            said += f" and {len(pairs) - MOST_SHARED} more"
        message = f"{said}: each policy has sessions, snapshots and recovery points of its own"
        return Finding("SharedVirtualMachine", message, blocking=False, notice=True)

    async def _repository(self, policy: BackupPolicy) -> Finding | None:
        namespace = policy.metadata.namespace
        key = policy.spec.stored_in.key_from(namespace)
        if not self.settings.may_use_repository(namespace, key.namespace, key.name):
            return Finding(
                "ScopeNotAllowed",
                f"namespace {namespace} may not use repository {key}: the operator's settings do "
                "not list it among the namespace's repositories",
            )
        repository = await self.repositories.find(key)
        if repository is None:
            return Finding("RepositoryNotFound", f"there is no BackupRepository {key}: create it")
        return self._unfit(repository) or _not_ready(repository)

    def _unfit(self, repository: BackupRepository) -> Finding | None:
        """Return why the repository takes no backups as it is, whether it is reached or not."""
        owner = repository.status.owner
        if owner not in {None, self.settings.appliance.id}:
            key = repository.metadata.key
            message = f"BackupRepository {key} is appliance {owner}'s, and read-only here"
            return Finding("ReadOnly", message)
        unfit = archives_alone(repository)
        return None if unfit is None else Finding(unfit.reason, unfit.message)

    async def _machine(
        self, policy: BackupPolicy, vm_id: ArmId, absent_since_s: float | None
    ) -> Machine:
        """Return what is known of a VM that is named; by its id alone before Azure is asked."""
        refused = self._refusal(policy.metadata.namespace, vm_id)
        if refused is not None:
            return Machine(vm_id, finding=refused)
        try:
            listed = await self.presence.find(vm_id, absent_since_s)
        except TransientError as error:
            return Machine(vm_id, finding=_passing(error), trouble=error)
        except PermanentError as error:
            return Machine(vm_id, finding=Finding(error.reason, f"{vm_id}: {error}"))
        if listed is None:
            message = f"there is no virtual machine {vm_id}: correct the id, or take it out"
            return Machine(vm_id, finding=Finding("VirtualMachineNotFound", message))
        return Machine(vm_id, listed, _unsupported(policy, listed))

    async def _scopes(self, namespace: str, selector: Selector | None) -> _Scopes:
        """Return the VMs of the selector's scopes, and what is amiss with each scope.

        Of one that Azure refuses to list for a while, the VMs that it had before still count: their
        sessions wait by themselves.
        """
        found = _Scopes()
        for scope in map(ArmId, () if selector is None else selector.scopes):
            refused = self._refusal(namespace, scope)
            if refused is not None:
                found.findings.append(refused)
                continue
            try:
                found.listed += await self.presence.within(scope)
            except TransientError as error:
                found.findings.append(_passing(error))
                found.trouble = error
                before = self.presence.last_seen_within(scope)
                found.listed += before or ()
                found.unsure |= before is None
            except PermanentError as error:
                found.findings.append(Finding(error.reason, f"{scope}: {error}"))
                found.refused = True
        return found

    def _refusal(self, namespace: str, named: ArmId) -> Finding | None:
        """Return why the VM or the scope is none that the namespace may name, or None."""
        if not self.settings.may_back_up(namespace, named):
            return Finding(
                "ScopeNotAllowed",
                f"namespace {namespace} may not back up {named}: the operator's settings name no "
                "backupScopes for it that hold all of this",
            )
        refused = subscription_refused(self.settings, named)
        return None if refused is None else Finding(refused.reason, refused.message)

    async def _crossing(
        self, machines: Sequence[Machine], *, notice: bool = False
    ) -> tuple[Machine, ...]:
        """Say of VMs of other subscriptions that their data is not exported, where that is so.

        *notice* where nobody named them.
        """
        elsewhere = [each for each in machines if is_elsewhere(self.settings, each.id)]
        able = [each for each in elsewhere if each.finding is None and each.listed is not None]
        regions = {each.id: each.listed.region for each in able if each.listed is not None}
        whys = {
            region: await self.elsewhere.exports_refused(region)
            for region in sorted({*regions.values()})
        }
        return tuple(
            _without_export(each, whys.get(regions.get(each.id, ""), ""), notice=notice)
            for each in machines
        )


def _found(
    policy: BackupPolicy, listed: Sequence[MachineListed], named: Sequence[Machine]
) -> list[Machine]:
    """Return those of *listed* that the policy selects and does not name."""
    selector = policy.spec.virtual_machines.selector
    if selector is None:
        return []
    known = {folded(each.id) for each in named}
    return [
        Machine(each.id, each, _unsupported(policy, each, notice=True))
        for each in selected(selector, listed)
        if folded(each.id) not in known
    ]


def _without_export(machine: Machine, why: str, *, notice: bool) -> Machine:
    """Return the VM as one whose data is not exported, unless *why* is empty."""
    if not why:
        return machine
    refused = export_refused(machine.id, why)
    return replace(machine, finding=Finding(refused.reason, refused.message, notice=notice))


def _unsupported(
    policy: BackupPolicy, listed: MachineListed, *, notice: bool = False
) -> Finding | None:
    """Say which disk keeps the VM from being backed up; *notice* where nobody named the VM."""
    why = why_not_supported(listed, policy.spec.exclude_data_disk_luns, policy.spec.disks)
    if why is None:
        return None
    return Finding("DiskNotSupported", f"{why}: the VM is not backed up", notice=notice)


def _not_ready(repository: BackupRepository) -> Finding | None:
    """Return what is said of a repository that is not Ready."""
    key, conditions = repository.metadata.key, repository.status.conditions
    if is_true(conditions, "Ready"):
        return None
    said = find_condition(conditions, "Ready")
    if said is None:
        message = f"BackupRepository {key} was not looked at yet"
        return Finding("RepositoryNotReady", message, passing=True)
    passing = not is_true(conditions, "Stalled")
    return Finding(
        said.reason,
        f"BackupRepository {key}: {said.message}",
        passing=passing,
        # One that was opened before is only out of reach.
        blocking=not passing or repository.status.repository_id is None,
    )


def _passing(error: TransientError) -> Finding:
    return Finding(reason_of(error), str(error), passing=True, blocking=False)


def _unknown_luns(policy: BackupPolicy, machines: Sequence[Machine]) -> Finding | None:
    """Say which excluded LUNs no VM has: one that some lack is not amiss, nor what is not known."""
    listed = [each.listed for each in machines if each.listed is not None]
    unknown = unknown_luns(policy.spec.exclude_data_disk_luns, listed)
    if not unknown or len(listed) < len(machines):
        return None
    luns = ", ".join(map(str, unknown))
    message = f"excludeDataDiskLuns: no VM of this policy has a data disk at LUN {luns}"
    return Finding("UnknownLun", message, blocking=False, notice=True)


def _nothing(policy: BackupPolicy, named: int, machines: Sequence[Machine]) -> Finding | None:
    """Say that the selector meets no VM at all but those that are named."""
    if policy.spec.virtual_machines.selector is None or len(machines) > named:
        return None
    message = "the selector meets no virtual machine: look at its scopes, tags and exclusions"
    return Finding("NothingSelected", message, blocking=False, notice=True)


def summary(findings: Sequence[Finding]) -> Finding | None:
    """Return what one condition says of *findings*: each message, and the first one's reason.

    What somebody has to do something about comes first, what is only worth a word last.
    """
    if not findings:
        return None
    ordered = sorted(findings, key=lambda finding: (finding.notice, finding.passing))
    message = "; ".join(dict.fromkeys(finding.message for finding in ordered))
    first = ordered[0]
    return Finding(first.reason, message, first.passing, notice=first.notice)
