"""An environment as those see it who need it: what it offers, or what it still waits for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.walk import Line, whole
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Outcome


@dataclass(frozen=True, slots=True)
class Environment:
    """One region that is ready, as Azure was seen to hold it."""

    name: str
    subscription_id: str
    region: str
    resource_group: str
    virtual_network_id: ArmId
    worker_subnet_id: ArmId
    endpoint_subnet_id: ArmId
    network_security_group_id: ArmId
    blob_zone_id: ArmId
    storage_account_id: ArmId
    blob_url: str
    queue_url: str
    worker_size: str
    worker_image: str
    max_workers: int
    private: bool
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """One pass over an environment; *environment* is there where the outcome is Done.

    It looks at the accounts of all repositories that the region's workers use. Who asks for some of
    them has their standing from `for_accounts`: another's trouble is not theirs.
    """

    outcome: Outcome
    lines: tuple[Line, ...]
    environment: Environment | None = None

    def for_accounts(self, accounts: Collection[ArmId]) -> Report:
        """Return the report without what is there for other accounts than *accounts*."""
        asked = {folded(account) for account in accounts}
        return self._with(
            tuple(line for line in self.lines if not line.account or folded(line.account) in asked)
        )

    def for_region(self) -> Report:
        """Return the report without accounts that could not be found, or may not be seen.

        Whoever named one is told so and has to correct it; the region is not the worse for it.
        """
        missing = {folded(account) for account in self.missing_accounts()}
        return self._with(
            tuple(line for line in self.lines if folded(line.account or "") not in missing)
        )

    def missing_accounts(self) -> tuple[ArmId, ...]:
        """Return the repositories' accounts that could not be found, or may not be seen."""
        return tuple(
            line.id
            for line in self.lines
            if line.id == line.account and isinstance(line.outcome, Failed)
        )

    def accounts(self) -> tuple[ArmId, ...]:
        """Return the repositories' accounts that were looked at."""
        return tuple(line.id for line in self.lines if line.id == line.account)

    def region_of(self, resource_id: ArmId) -> str:
        """Return the region that the resource was seen in, empty where it was not seen."""
        wanted = folded(resource_id)
        return next((line.region for line in self.lines if folded(line.id) == wanted), "")

    def _with(self, lines: tuple[Line, ...]) -> Report:
        if len(lines) == len(self.lines):
            return self
        outcome = whole(lines)
        described = self.environment if isinstance(outcome, Done) else None
        return replace(self, outcome=outcome, lines=lines, environment=described)
