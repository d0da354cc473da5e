"""Azure in memory, as strict as the ports' contracts: what Azure refuses is refused here.

Everything that takes Azure time takes a few looks. Each write is noted in `Azure.asked`, and
`Azure.meets` is called before and after it, which is where the tests kill the operator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.worlds.made_disk import MadeDisk
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_operator.naming import ArmId, arm_id, environment_names, resource_group_of
from vmbackup_operator.services.refusals import Refusal, Refusals
from vmbackup_operator.sessions import seen

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
APPLIANCE = "test-appliance"
HOME = "westeurope"
AWAY = "northeurope"
#: How many looks something takes that Azure takes its time for.
LOOKS = 2
MINUTE = timedelta(minutes=1)
#: What somebody with a SAS may try, and the kinds of access that let do it.
DEEDS: Mapping[str, set[str]] = {
    "list": {"read", "write_new"},
    "read": {"read", "write_new", "store", "read_named"},
    "create": {"write_new", "store"},
    "overwrite": set(),
    "delete": set(),
    "take": {"take"},
    "send": {"send"},
}


class Refused(PermanentError):
    """What Azure would answer with an error; no test expects one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="Refused")


def recased(identity: ArmId) -> ArmId:
    """Return *identity* as Azure writes it: group names often come back in capitals."""
    group = resource_group_of(identity)
    return ArmId(identity.replace(f"/{group}/", f"/{group.upper()}/", 1))


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
    #: VMs with a disk that Azure takes no snapshot of.
    unsupported: set[str] = field(default_factory=set)
    #: Repositories' accounts that are not there.
    missing_accounts: set[str] = field(default_factory=set)
    snapshots: dict[str, seen.SnapshotSeen] = field(default_factory=dict)
    disk_accesses: dict[str, int] = field(default_factory=dict)
    disks: dict[str, MadeDisk] = field(default_factory=dict)
    workers: dict[str, seen.WorkerSeen] = field(default_factory=dict)
    worker_tags: dict[str, Mapping[str, str]] = field(default_factory=dict)
    #: Workers whose interface is there, by the VM's id; it is made before the VM, and goes with it.
    interfaces: set[str] = field(default_factory=set)
    commands: dict[tuple[str, str], seen.CommandWanted] = field(default_factory=dict)
    command_states: dict[tuple[str, str], seen.CommandSeen] = field(default_factory=dict)
    queues: dict[tuple[str, str], list[seen.Received]] = field(default_factory=dict)
    #: Until when the name of a queue that was deleted is taken.
    deleted_queues: dict[tuple[str, str], datetime] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    bundles: dict[str, int] = field(default_factory=dict)
    #: Folders of earlier bundles, by the account's id.
    old_bundles: dict[str, set[str]] = field(default_factory=dict)
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
    worker_size: str = "Standard_D4s_v5"
    private: bool = True
    #: Why data of other subscriptions is not exported, as the administrator has it.
    exports_refused: str = "RegionEnvironment says crossSubscriptionExport: Refuse"
    #: Subscriptions in which the identity may make no disk access, or open no way to one.
    forbidden: set[str] = field(default_factory=set)
    fence: Callable[[str], None] = lambda _what: None  # see `lost_keys`
    broken_snapshots: set[str] = field(default_factory=set)
    broken_workers: set[str] = field(default_factory=set)
    broken_disks: set[str] = field(default_factory=set)
    #: What is refused that often ends by itself, by the patience that the product has with it.
    refusals: Refusals = field(init=False)
    _looks: Counter[str] = field(default_factory=Counter)
    _begun: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.clock)

    def write(self, what: str, apply: Callable[[], object]) -> None:
        """Do *apply*, noted as *what*; the operator may be killed on either side of it."""
        self.fence(what)
        self.meets(f"before {what}")
        apply()
        self.asked[what] += 1
        self.order.append(what)
        self.meets(f"after {what}")

    def begin(self, what: str) -> None:
        """Have *what* under way: it takes a few looks, or a minute if nobody looks."""
        self._begun[what] = (LOOKS, self.clock.now() + MINUTE)

    def under_way(self, what: str) -> bool:
        """Tell whether *what* was begun and has not ended; nothing is looked at for it."""
        return what in self._begun

    def ended(self, what: str) -> bool:
        """Look at *what* that was begun, and tell whether it has ended; what never was has."""
        left, until = self._begun.pop(what, (0, self.clock.now()))
        if left == 0 or until <= self.clock.now():
            return True
        self._begun[what] = (left - 1, until)
        return False

    def refused(self, what: str, reason: str, text: str) -> VmbackupError:
        """Return what the adapters raise of a refusal that often ends by itself, for a time."""
        return self.refusals.error(what, Refusal("for a while", reason, text))

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

    def readable(self) -> set[str | None]:
        """Return the URLs that open a snapshot at this moment."""
        return {self.open_sas(each) for each in self.snapshots}

    def opens(self, url: str, deed: str | None = None) -> bool:
        """Tell whether what was signed with a delegation key still opens what it is for.

        *deed* is something that its holder tries, of `DEEDS`.
        """
        may = deed is None or any(f"?sp={access}&" in url for access in DEEDS[deed])
        good_key = f"key={self.revoked_keys}&" in url
        return may and good_key and self.signed.get(url, self.clock.now()) > self.clock.now()

    def number(self) -> int:
        self._numbers += 1
        return self._numbers
