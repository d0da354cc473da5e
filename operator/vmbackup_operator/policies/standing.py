"""Whether what a policy names may be backed up, and is there: one finding for each thing amiss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.policies.ports import Repositories, VirtualMachinePresence
from vmbackup_operator.settings import Settings

#: A VM that was found is not looked for again before this.
FOUND_FOR_S = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing amiss, as a condition says it.

    *passing*: nobody need do anything about it. *blocking*: no session can be made meanwhile; one
    that can waits by itself, so that a slot is not missed because Azure had a bad hour.
    """

    reason: str
    message: str
    passing: bool = False
    blocking: bool = True


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
    """Looks at what policies name."""

    settings: Settings
    clock: Clock
    repositories: Repositories
    presence: VirtualMachinePresence
    _found: dict[str, float] = field(default_factory=dict)

    async def look(self, policy: BackupPolicy) -> Standing:
        """Return how *policy* stands; no VM can be backed up without the repository."""
        amiss = await self._repository(policy)
        if amiss is not None and amiss.blocking:
            return Standing((), (amiss,))
        machines: list[ArmId] = []
        findings = [] if amiss is None else [amiss]
        trouble: TransientError | None = None
        for each in policy.spec.virtual_machines.ids:
            try:
                finding = await self._machine(policy.metadata.namespace, ArmId(each))
            except TransientError as error:
                trouble = error
                finding = Finding("AzureUnavailable", str(error), passing=True, blocking=False)
            if finding is None or not finding.blocking:
                machines.append(ArmId(each))
            if finding is not None:
                findings.append(finding)
        return Standing(tuple(machines), tuple(findings), trouble)

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

    async def _machine(self, namespace: str, vm_id: ArmId) -> Finding | None:
        """Return what is amiss with the VM; by its id alone before Azure is asked."""
        if not self.settings.may_back_up(namespace, vm_id):
            return Finding(
                "ScopeNotAllowed",
                f"namespace {namespace} may not back up {vm_id}: the operator's settings name no "
                "backupScopes for it that hold this VM",
            )
        own = self.settings.appliance.subscription_id.lower()
        if subscription_of(vm_id) != own:
            return Finding(
                "CrossSubscriptionRefused",
                f"{vm_id} is not in the appliance's subscription {own}: its data could not be "
                "exported over a private endpoint of ours (crossSubscriptionExport: Refuse)",
            )
        return await self._presence(vm_id)

    async def _presence(self, vm_id: ArmId) -> Finding | None:
        now = self.clock.monotonic_s()
        seen = self._found.get(vm_id.lower())
        if seen is not None and now - seen < FOUND_FOR_S:
            return None
        try:
            exists = await self.presence.exists(vm_id)
        except PermanentError as error:
            return Finding(error.reason, f"{vm_id}: {error}")
        if not exists:
            self._found.pop(vm_id.lower(), None)
            return Finding(
                "VirtualMachineNotFound",
                f"there is no virtual machine {vm_id}: correct the id, or take it out",
            )
        self._found[vm_id.lower()] = now
        return None


def summary(findings: Sequence[Finding]) -> Finding | None:
    """Return what one condition says of *findings*: each message, and the first one's reason.

    What somebody has to do something about comes first.
    """
    if not findings:
        return None
    ordered = sorted(findings, key=lambda finding: finding.passing)
    message = "; ".join(dict.fromkeys(finding.message for finding in ordered))
    return Finding(ordered[0].reason, message, ordered[0].passing)
