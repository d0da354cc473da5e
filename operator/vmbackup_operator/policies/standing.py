"""Whether what a policy names may be backed up, and is there: one finding for each thing amiss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.policies.ports import Repositories, VirtualMachinePresence
from vmbackup_operator.settings import Settings

#: A VM that was found is not looked for again before this.
FOUND_FOR_S = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing amiss, as a condition says it."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The VMs that can be backed up, and what is amiss with the others or with all."""

    machines: tuple[ArmId, ...]
    findings: tuple[Finding, ...]


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
        if amiss is not None:
            return Standing((), (amiss,))
        machines: list[ArmId] = []
        findings: list[Finding] = []
        for each in policy.spec.virtual_machines.ids:
            finding = await self._machine(policy.metadata.namespace, ArmId(each))
            if finding is None:
                machines.append(ArmId(each))
            else:
                findings.append(finding)
        return Standing(tuple(machines), tuple(findings))

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
            return Finding("RepositoryNotReady", f"BackupRepository {key} was not looked at yet")
        return Finding(said.reason, f"BackupRepository {key}: {said.message}")

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
    """Return what one condition says of *findings*: the first one's reason, and each message."""
    if not findings:
        return None
    return Finding(findings[0].reason, "; ".join(finding.message for finding in findings))
