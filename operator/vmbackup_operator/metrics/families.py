"""Every metric that there is: its name, what it is, and its labels; docs/metrics.md explains them.

Labels hold names of objects, which Kubernetes bounds, and words of closed lists. No name of a VM,
no message, and nothing else that somebody wrote freely is among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter"]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric; a counter's samples are called after it with ``_total`` behind."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"

    @property
    def sample_name(self) -> str:
        """What its samples are called, as queries name them."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; *labels* are the values of the family's, in its order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


_POLICY = ("namespace", "policy")
_REPOSITORY = ("namespace", "repository")

PROCESS = (
    Family("vmbackup_leader", "1 in the replica that leads, 0 in one that stands by."),
    Family("vmbackup_build_info", "1, with the version of the operator.", ("version",)),
    Family("vmbackup_event_loop_lag_seconds", "How late the event loop was the last time."),
    Family(
        "vmbackup_arm_requests",
        "Requests to Azure Resource Manager that this process has sent, by what came of them.",
        ("class", "code"),
        "counter",
    ),
    Family(
        "vmbackup_arm_throttle_waits",
        "How often a request had to wait for Azure's limit, or was sent away for it.",
        ("class",),
        "counter",
    ),
    Family(
        "vmbackup_arm_throttle_wait_seconds",
        "For how long requests have waited for Azure's limit.",
        ("class",),
        "counter",
    ),
)

POLICIES = (
    Family("vmbackup_policy_ready", "1 where the policy is Ready, else 0.", _POLICY),
    Family("vmbackup_policy_suspended", "1 where the policy is suspended, else 0.", _POLICY),
    Family("vmbackup_policy_virtual_machines", "VMs that the policy backs up.", _POLICY),
    Family(
        "vmbackup_policy_unprotected_virtual_machines",
        "VMs that the policy means and that cannot be backed up.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_virtual_machines_without_recovery_point",
        "VMs that the policy backs up and that no session is known to have stored.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_rpo_seconds",
        "How much the VM that is worst off would lose at this moment.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_rpo_objective_seconds",
        "How much a VM may lose as the policy's rpo says.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_rpo_breached_virtual_machines",
        "VMs whose newest recovery point is older than rpo, or without it than a slot's deadline.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_failing_virtual_machines",
        "VMs whose newest session that had its turn failed.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_last_success_timestamp_seconds",
        "When a session of the policy succeeded last.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_next_start_timestamp_seconds",
        "When the policy's next sessions are due.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_last_read_bytes",
        "What the newest recovery points of the policy's VMs took to be read.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_last_stored_bytes",
        "What the newest recovery points of the policy's VMs took to be stored.",
        _POLICY,
    ),
    Family(
        "vmbackup_policy_last_changed_bytes",
        "What Azure told to have changed in the newest recovery points of the policy's VMs.",
        _POLICY,
    ),
)

SESSIONS = (
    Family(
        "vmbackup_ended_sessions",
        "Sessions whose objects are there and that have ended, by how they did.",
        ("namespace", "type", "outcome", "reason"),
    ),
    Family(
        "vmbackup_unfinished_sessions",
        "Sessions that have not ended, by the step that they are at and what is said of it.",
        ("namespace", "type", "step", "reason"),
    ),
    Family(
        "vmbackup_unfinished_sessions_read_bytes",
        "What the sessions that have not ended have read so far.",
        ("namespace", "type"),
    ),
    Family(
        "vmbackup_unfinished_sessions_stored_bytes",
        "What the sessions that have not ended have stored so far.",
        ("namespace", "type"),
    ),
)

REPOSITORIES = (
    Family("vmbackup_repository_ready", "1 where the repository is Ready, else 0.", _REPOSITORY),
    Family(
        "vmbackup_repository_recovery_points",
        "Recovery points that count in the repository.",
        _REPOSITORY,
    ),
    Family(
        "vmbackup_repository_stored_bytes",
        "What lay in the repository at the end of the last pass of upkeep that looked at all.",
        _REPOSITORY,
    ),
    Family(
        "vmbackup_repository_upkeep_last_success_timestamp_seconds",
        "When a job of the repository's upkeep was done last, whatever it found.",
        (*_REPOSITORY, "job"),
    ),
    Family(
        "vmbackup_repository_upkeep_findings",
        "1 where the job found something wrong with what is stored the last time, else 0.",
        (*_REPOSITORY, "job"),
    ),
    Family(
        "vmbackup_repository_oldest_proof_timestamp_seconds",
        "Of the VMs whose old packs were read back, when that one was whose turn is longest ago.",
        _REPOSITORY,
    ),
    Family(
        "vmbackup_repository_unproven_virtual_machines",
        "VMs that have a recovery point and of which no session is known to have read back any.",
        _REPOSITORY,
    ),
)

APPLIANCE = (
    Family("vmbackup_workers", "Worker VMs that there are, as last seen.", ("state",)),
    Family("vmbackup_serving_workers", "Worker VMs that serve a session."),
    Family(
        "vmbackup_orphans",
        "What sessions left in Azure that nothing needs any more, as the sweeper last saw.",
        ("kind",),
    ),
    Family(
        "vmbackup_sweeper_last_look_timestamp_seconds", "When the sweeper looked at all regions."
    ),
    Family(
        "vmbackup_work_queue_objects",
        "Objects that are to be looked at, are looked at, or wait for their time.",
        ("kind", "state"),
    ),
    Family(
        "vmbackup_series_left_out",
        "Series of a metric that are not told, since there are too many of it.",
        ("metric",),
    ),
)

FAMILIES: Mapping[str, Family] = {
    family.name: family for family in (*PROCESS, *POLICIES, *SESSIONS, *REPOSITORIES, *APPLIANCE)
}
