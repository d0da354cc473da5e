"""Azure in memory, as strict as the ports' contracts: what Azure refuses is refused here.

Everything that takes Azure time takes a few looks. Each write is noted in `Azure.asked`, and
`Azure.meets` is called before and after it, which is where the tests kill the operator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError
from vmbackup_operator.naming import (
    arm_id,
    environment_names,
)
from vmbackup_operator.sessions import seen

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
APPLIANCE = "test-appliance"
HOME = "westeurope"
AWAY = "northeurope"
#: How many looks something takes that Azure takes its time for.
LOOKS = 2


class Refused(PermanentError):
    """What Azure would answer with an error; no test expects one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="Refused")


def account(region: str) -> seen.Account:
    names = environment_names(APPLIANCE, SUBSCRIPTION, region)
    group = names.resource_group
    resource_type = "Microsoft.Storage/storageAccounts"
    return seen.account_of(arm_id(SUBSCRIPTION, group, resource_type, names.storage_account))


@dataclass
class Azure:
    """The state, and what is done to it."""

    clock: TurnedClock
    machines: dict[str, seen.VirtualMachineSeen] = field(default_factory=dict)
    snapshots: dict[str, seen.SnapshotSeen] = field(default_factory=dict)
    disk_accesses: dict[str, int] = field(default_factory=dict)
    workers: dict[str, seen.WorkerSeen] = field(default_factory=dict)
    worker_tags: dict[str, Mapping[str, str]] = field(default_factory=dict)
    commands: dict[tuple[str, str], seen.CommandWanted] = field(default_factory=dict)
    command_states: dict[tuple[str, str], seen.CommandSeen] = field(default_factory=dict)
    queues: dict[tuple[str, str], list[seen.Received]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    bundles: dict[str, int] = field(default_factory=dict)
    regions: dict[str, int] = field(default_factory=dict)
    #: SAS of snapshots that are open, and when each ends, whoever asks for it again meanwhile.
    sas: dict[str, str] = field(default_factory=dict)
    sas_ends: dict[str, datetime] = field(default_factory=dict)
    #: When what is signed with a delegation key ends, by URL; which keys were revoked.
    signed: dict[str, datetime] = field(default_factory=dict)
    revoked_keys: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    meets: Callable[[str], None] = lambda _what: None
    max_workers: int = 1
    private: bool = True
    broken_snapshots: set[str] = field(default_factory=set)
    broken_workers: set[str] = field(default_factory=set)
    _looks: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0

    def write(self, what: str, apply: Callable[[], object]) -> None:
        """Do *apply*, noted as *what*; the operator may be killed on either side of it."""
        self.meets(f"before {what}")
        apply()
        self.asked[what] += 1
        self.order.append(what)
        self.meets(f"after {what}")

    def settled(self, what: str) -> bool:
        """Tell whether *what* has been looked at often enough to be done."""
        self._looks[what] += 1
        return self._looks[what] > LOOKS

    def open_sas(self, snapshot_id: str) -> str | None:
        """Return the SAS that opens the snapshot now; one whose time is over opens nothing."""
        key = snapshot_id.lower()
        if key in self.sas and self.sas_ends[key] <= self.clock.now():
            del self.sas[key]
            self.snapshots[key] = replace(self.snapshots[key], exported=False)
        return self.sas.get(key)

    def opens(self, url: str) -> bool:
        """Tell whether what was signed with a delegation key still opens what it is for."""
        good_key = f"key={self.revoked_keys}&" in url
        return good_key and self.signed.get(url, self.clock.now()) > self.clock.now()

    def number(self) -> int:
        self._numbers += 1
        return self._numbers
