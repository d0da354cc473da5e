"""Whether what a policy names may be backed up, and is there: one finding for each thing amiss."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, name_of, subscription_of
from vmbackup_operator.policies.ports import MachineListed, Repositories
from vmbackup_operator.policies.presence import Presence
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


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM as it was named, as it was listed, and what is amiss with it."""

    id: ArmId
    listed: MachineListed | None = None
    finding: Finding | None = None
    trouble: TransientError | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The VMs that can be backed up, and what is amiss with the others or with all.

    *trouble* is why the look has to be repeated soon.
    """

    machines: tuple[ArmId, ...]
    findings: tuple[Finding, ...]
    trouble: TransientError | None = None


@dataclass(slots=True)
class Surveyor:
    """Looks at what policies name, and remembers which VMs each of them names."""

    settings: Settings
    repositories: Repositories
    presence: Presence
    _named: dict[ObjectKey, frozenset[str]] = field(default_factory=dict)

    async def look(self, policy: BackupPolicy) -> Standing:
        """Return how *policy* stands; no VM can be backed up without the repository."""
        named = [ArmId(each) for each in policy.spec.virtual_machines.ids]
        self._named[policy.metadata.key] = frozenset(folded(each) for each in named)
        amiss = await self._repository(policy)
        if amiss is not None and amiss.blocking:
            return Standing((), (amiss,))
        namespace = policy.metadata.namespace
        machines = await asyncio.gather(*(self._machine(namespace, each) for each in named))
        findings = [amiss, *(each.finding for each in machines)]
        findings += [_unknown_luns(policy, machines), self._shared(policy, named)]
        trouble = next((each.trouble for each in machines if each.trouble is not None), None)
        able = (each for each in machines if each.finding is None or not each.finding.blocking)
        said = (each for each in findings if each is not None)
        return Standing(tuple(each.id for each in able), tuple(said), trouble)

    def forget(self, key: ObjectKey) -> None:
        """Forget the policy: it is gone."""
        self._named.pop(key, None)

    def _shared(self, policy: BackupPolicy, named: Sequence[ArmId]) -> Finding | None:
        """Say which VMs other policies of the namespace name too; foreign ones are not told of."""
        own = policy.metadata.key
        pairs = sorted(
            (name_of(vm_id), key.name)
            for key, others in self._named.items()
            for vm_id in named
            if key != own and key.namespace == own.namespace and folded(vm_id) in others
        )
        if not pairs:
            return None
        said = ", ".join(f"{machine} is in policy {other} too" for machine, other in pairs)
        message = f"{said}: each policy has sessions, snapshots and recovery points of its own"
        return Finding("SharedVirtualMachine", message, blocking=False, notice=True)

    async def _repository(self, policy: BackupPolicy) -> Finding | None:
        namespace = policy.metadata.namespace
        key = policy.spec.repository_ref.key_from(namespace)
        if not self.settings.may_use_repository(namespace, key.namespace, key.name):
            return Finding(
                "ScopeNotAllowed",
                f"namespace {namespace} may not use repository {key}: the operator's settings do "
                "not list it among the namespace's repositories",
            )
        repository = await self.repositories.find(key)
        if repository is None:
            return Finding("RepositoryNotFound", f"there is no BackupRepository {key}: create it")
        conditions = repository.status.conditions
        owner = repository.status.owner
        if owner not in {None, self.settings.appliance.id}:
            message = f"BackupRepository {key} is appliance {owner}'s, and read-only here"
            return Finding("ReadOnly", message)
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

    async def _machine(self, namespace: str, vm_id: ArmId) -> Machine:
        """Return what is known of the VM; by its id alone before Azure is asked."""
        refused = self._refusal(namespace, vm_id)
        if refused is not None:
            return Machine(vm_id, finding=refused)
        try:
            listed = await self.presence.find(vm_id)
        except TransientError as error:
            finding = Finding(reason_of(error), str(error), passing=True, blocking=False)
            return Machine(vm_id, finding=finding, trouble=error)
        except PermanentError as error:
            return Machine(vm_id, finding=Finding(error.reason, f"{vm_id}: {error}"))
        if listed is None:
            message = f"there is no virtual machine {vm_id}: correct the id, or take it out"
            return Machine(vm_id, finding=Finding("VirtualMachineNotFound", message))
        return Machine(vm_id, listed)

    def _refusal(self, namespace: str, vm_id: ArmId) -> Finding | None:
        if not self.settings.may_back_up(namespace, vm_id):
            return Finding(
                "ScopeNotAllowed",
                f"namespace {namespace} may not back up {vm_id}: the operator's settings name no "
                "backupScopes for it that hold this VM",
            )
        own = folded(self.settings.appliance.subscription_id)
        if subscription_of(vm_id) != own:
            return Finding(
                "CrossSubscriptionRefused",
                f"{vm_id} is not in the appliance's subscription {own}: its data could not be "
                "exported over a private endpoint of ours (crossSubscriptionExport: Refuse)",
            )
        return None


def _unknown_luns(policy: BackupPolicy, machines: Sequence[Machine]) -> Finding | None:
    """Say which excluded LUNs no VM has: one that some lack is not amiss, nor what is not known."""
    if any(each.listed is None for each in machines):
        return None
    used = {lun for each in machines if each.listed for lun in each.listed.data_disk_luns}
    unknown = sorted(set(policy.spec.exclude_data_disk_luns) - used)
    if not unknown:
        return None
    luns = ", ".join(map(str, unknown))
    message = f"excludeDataDiskLuns: no VM of this policy has a data disk at LUN {luns}"
    return Finding("UnknownLun", message, blocking=False, notice=True)


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
