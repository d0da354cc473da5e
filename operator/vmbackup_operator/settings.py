"""The appliance's settings: one file, read and checked once, every problem named at once.

The file is YAML or JSON; its keys are this module's fields in camelCase, and later the chart's
values. Nothing here is secret: the key ring is named, never written down.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

import msgspec
import yaml
from msgspec import Meta

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import container_id, folded, lies_within
from vmbackup_operator.setting_values import (
    AddressRange,
    ApplianceId,
    AtOnce,
    DelayDays,
    GraceSeconds,
    Image,
    Namespace,
    ObjectName,
    RegionName,
    RepositoryName,
    ResourceGroup,
    Scope,
    Seconds,
    StorageScope,
    Switch,
    Tags,
    Uuid,
    VirtualNetworkId,
    VmSize,
)

#: A thousand tenants with a dozen scopes each.
MOST_BYTES = 4 * 1024 * 1024

#: So many parts has the id of a subscription; that of a group, or of what is in one, has more.
_IN_GROUP = 4


class SecretName(msgspec.Struct, frozen=True, rename="camel"):
    """Where a Secret lies."""

    namespace: Namespace
    name: ObjectName


class KeyRing(msgspec.Struct, frozen=True, rename="camel"):
    """The Secret with the appliance's keys."""

    secret_ref: SecretName


class Appliance(msgspec.Struct, frozen=True, rename="camel"):
    """Who this installation is, and where; id and key ring survive a reinstall."""

    id: ApplianceId
    tenant_id: Uuid
    subscription_id: Uuid
    region: RegionName
    resource_group: ResourceGroup
    virtual_network_id: VirtualNetworkId
    key_ring: KeyRing


class Tenant(msgspec.Struct, frozen=True, rename="camel"):
    """What one namespace may name: what is backed up, where that is kept, what is restored into.

    *storage_accounts* are what the namespace's own BackupRepositories may name: whole accounts, or
    single containers of one that teams share. In *rewind_scopes* lie the VMs whose disks its
    restores may swap, with their disks: nowhere, where nothing is said. *max_concurrent_backups* is
    how many of its VMs have their snapshots taken and stored at once; the others wait.
    """

    namespace: Namespace
    backup_scopes: tuple[Scope, ...] = ()
    repositories: tuple[RepositoryName, ...] = ()
    storage_accounts: tuple[StorageScope, ...] = ()
    restore_scopes: tuple[Scope, ...] = ()
    rewind_scopes: tuple[Scope, ...] = ()
    max_concurrent_backups: AtOnce = 1000


class RegionEnvironments(msgspec.Struct, frozen=True, rename="camel"):
    """Defaults of the environments that the operator makes.

    Without a *private_network* workers reach snapshots and storage over public addresses.
    """

    worker_vm_size: VmSize = "Standard_D4s_v5"
    worker_image: Image = "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:latest"
    address_pool: AddressRange = "10.213.0.0/16"
    dns_mode: Literal["Managed"] = "Managed"
    cross_subscription_export: Literal["Refuse", "DiskAccess"] = "Refuse"
    private_network: Switch = True


class OtherSubscription(msgspec.Struct, frozen=True, rename="camel"):
    """A subscription beside the appliance's whose VMs may be backed up.

    *resource_group* is the appliance's own group there. Snapshots can lie only in the subscription
    of their disk, so they are taken into it, and it holds the disk accesses that export them.
    """

    subscription_id: Uuid
    resource_group: ResourceGroup


class Workers(msgspec.Struct, frozen=True, rename="camel"):
    """What is put on workers, and how long they are waited for and kept."""

    bundle: Annotated[str, Meta(min_length=1, description="the folder that `make bundle` made")]
    timeout_seconds: Seconds = 300
    idle_ttl_seconds: Seconds = 3600

    @property
    def bundle_path(self) -> Path:
        return Path(self.bundle)


class SweeperSettings(msgspec.Struct, frozen=True, rename="camel"):
    """For how long nobody must have needed what is deleted that sessions left in Azure."""

    grace_seconds: GraceSeconds = 3600


#: How lines are logged: one JSON object each for programs, or text for people.
LogFormat = Literal["JSON", "Text"]


class Logging(msgspec.Struct, frozen=True, rename="camel"):
    """How lines are logged."""

    format: LogFormat = "Text"


class Discovery(msgspec.Struct, frozen=True, rename="camel"):
    """How often VMs are looked for that policies select by their tags."""

    interval_seconds: Seconds = 3600


class SnapshotSets(msgspec.Struct, frozen=True, rename="camel"):
    """How snapshot sets are kept that stand alone, which no BackupRepository speaks of."""

    retention_change_delay_days: DelayDays = 7

    @property
    def retention_change_delay(self) -> timedelta:
        """For how long a retention waits that keeps less than the one before."""
        return timedelta(days=self.retention_change_delay_days)


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """Everything the operator is told at its start."""

    appliance: Appliance
    namespace: Namespace
    workers: Workers
    tenancy: tuple[Tenant, ...] = ()
    region_environments: RegionEnvironments = RegionEnvironments()
    other_subscriptions: tuple[OtherSubscription, ...] = ()
    sweeper: SweeperSettings = SweeperSettings()
    discovery: Discovery = Discovery()
    snapshot_sets: SnapshotSets = SnapshotSets()
    logging: Logging = Logging()
    #: Put on everything that is made in Azure.
    tags: Tags = {}

    def may_back_up(self, namespace: str, arm_id: str) -> bool:
        """Return whether objects in *namespace* may name *arm_id* as what is backed up."""
        tenant = self._tenant(namespace)
        return tenant is not None and _within(arm_id, tenant.backup_scopes)

    def may_restore_into(self, namespace: str, arm_id: str) -> bool:
        """Return whether objects in *namespace* may name *arm_id* as a restore's target."""
        tenant = self._tenant(namespace)
        return tenant is not None and _within(arm_id, tenant.restore_scopes)

    def may_rewind(self, namespace: str, arm_id: str) -> bool:
        """Return whether restores in *namespace* may swap disks of, or for, what *arm_id* names."""
        tenant = self._tenant(namespace)
        return tenant is not None and _within(arm_id, tenant.rewind_scopes)

    def may_use_repository(self, namespace: str, repository_namespace: str, name: str) -> bool:
        """Return whether objects in *namespace* may name that BackupRepository."""
        tenant = self._tenant(namespace)
        wanted = {f"{repository_namespace}/{name}", f"{repository_namespace}/*"}
        return tenant is not None and not wanted.isdisjoint(tenant.repositories)

    def may_keep_in(self, namespace: str, account_id: str, container: str) -> bool:
        """Return whether BackupRepositories of *namespace* may name that container."""
        tenant = self._tenant(namespace)
        wanted = container_id(account_id, container)
        return tenant is not None and _within(wanted, tenant.storage_accounts)

    def most_backups_at_once(self, namespace: str) -> int:
        """Return how many backups of the namespace may be under way at once."""
        tenant = self._tenant(namespace)
        return 0 if tenant is None else tenant.max_concurrent_backups

    def is_other_subscription(self, subscription_id: str) -> bool:
        """Tell whether it is one beside the appliance's whose VMs may be backed up."""
        return self._other(subscription_id) is not None

    def snapshot_group(self, subscription_id: str) -> tuple[str, str]:
        """Return subscription and resource group of the snapshots of that subscription's VMs.

        Of a subscription that is not named (any more) it is a group called as the appliance's.
        """
        other = self._other(subscription_id)
        group = self.appliance.resource_group if other is None else other.resource_group
        return subscription_id, group

    @property
    def snapshot_groups(self) -> tuple[tuple[str, str], ...]:
        """Subscription and resource group of all snapshots, the appliance's own first."""
        ids = (each.subscription_id for each in self.other_subscriptions)
        return tuple(map(self.snapshot_group, (self.appliance.subscription_id, *ids)))

    @property
    def restore_places(self) -> tuple[tuple[str, str | None], ...]:
        """Subscriptions, and groups of others, that hold all that tenants may restore into."""
        scopes = {folded(each) for tenant in self.tenancy for each in tenant.restore_scopes}
        parts = (each.split("/") for each in scopes)
        places = {(part[2], part[4] if len(part) > _IN_GROUP else None) for part in parts}
        whole = {subscription for subscription, group in places if group is None}
        kept = {each for each in places if each[1] is None or each[0] not in whole}
        return tuple(sorted(kept, key=lambda place: (place[0], place[1] or "")))

    @property
    def served_namespaces(self) -> tuple[str, ...]:
        """The namespaces whose Secrets may be asked for: the operator's and the tenants'."""
        tenants = (tenant.namespace for tenant in self.tenancy)
        return tuple(dict.fromkeys((self.namespace, *tenants)))

    def _other(self, subscription_id: str) -> OtherSubscription | None:
        wanted = folded(subscription_id)
        others = self.other_subscriptions
        return next((each for each in others if folded(each.subscription_id) == wanted), None)

    def _tenant(self, namespace: str) -> Tenant | None:
        return next((tenant for tenant in self.tenancy if tenant.namespace == namespace), None)


class WrongSettings(PermanentError):
    """The settings cannot be used; the message has one line per problem, naming its key."""

    def __init__(self, source: str, problems: list[str]) -> None:
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"settings in {source}:{lines}", reason="WrongSettings")
        self.problems = problems


def _content(path: Path) -> bytes:
    """Return what the file holds; a device that never ends is not read to its end."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise WrongSettings(str(path), [f"more than {MOST_BYTES} bytes: no settings are so long"])
    return content


def load(path: Path) -> Settings:
    """Return the settings that the file *path* holds; raise WrongSettings naming every problem."""
    try:
        document = yaml.safe_load(_content(path))
    except OSError as error:
        raise WrongSettings(str(path), [f"cannot be read: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise WrongSettings(str(path), [f"neither YAML nor JSON: {error}"]) from error
    problems: list[str] = []
    _look(document, Settings, "", problems)
    if problems:
        raise WrongSettings(str(path), problems)
    settings = msgspec.convert(document, Settings)
    problems = _contradictions(settings)
    if problems:
        raise WrongSettings(str(path), problems)
    return settings if settings.tenancy else _with_own_namespace(settings)


def _with_own_namespace(settings: Settings) -> Settings:
    """Return *settings* where nobody but the operator's own namespace may name anything."""
    scope = f"/subscriptions/{settings.appliance.subscription_id}"
    every = (f"{settings.namespace}/*",)
    own = Tenant(settings.namespace, (scope,), every, (scope,), (scope,))
    return msgspec.structs.replace(settings, tenancy=(own,))


def _look(value: object, wanted: type[msgspec.Struct], path: str, problems: list[str]) -> None:
    """Add to *problems* what is wrong with *value* as a *wanted*, field by field."""
    if not isinstance(value, dict):
        problems.append(f"{path or 'the file'}: must be a mapping")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    problems += [f"{path}{key}: is no setting" for key in value if key not in fields]
    for name, field in fields.items():
        if name in value:
            _look_at_field(value[name], field.type, f"{path}{name}", problems)
        elif field.required:
            problems.append(f"{path}{name}: is missing")


def _look_at_field(value: object, wanted: object, path: str, problems: list[str]) -> None:
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        _look(value, wanted, f"{path}." if isinstance(value, dict) else path, problems)
        return
    if get_origin(wanted) is tuple and isinstance(value, list):
        for index, item in enumerate(value):
            _look_at_field(item, get_args(wanted)[0], f"{path}[{index}]", problems)
        return
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        problems.append(f"{path}: must be {_in_words(wanted)}; found {value!r}")


def _in_words(wanted: object) -> str:
    if get_origin(wanted) is tuple:
        return "a list"
    if get_origin(wanted) is Literal:
        return " or ".join(map(str, get_args(wanted)))
    return next(str(meta.description) for meta in getattr(wanted, "__metadata__", ()))


def _contradictions(settings: Settings) -> list[str]:
    """Return what is wrong with values that are each right alone."""
    seen: set[str] = set()
    problems = []
    for index, tenant in enumerate(settings.tenancy):
        if tenant.namespace in seen:
            problems.append(f"tenancy[{index}].namespace: {tenant.namespace} is there already")
        seen.add(tenant.namespace)
    ring = settings.appliance.key_ring.secret_ref.namespace
    if ring != settings.namespace:
        problems.append(
            f"appliance.keyRing.secretRef.namespace: must be the operator's own namespace "
            f"{settings.namespace}; found {ring}"
        )
    subscriptions = {folded(settings.appliance.subscription_id)}
    for index, other in enumerate(settings.other_subscriptions):
        if folded(other.subscription_id) in subscriptions:
            problems.append(
                f"otherSubscriptions[{index}].subscriptionId: {other.subscription_id} is there"
                " already, or the appliance's"
            )
        subscriptions.add(folded(other.subscription_id))
    names = [folded(name) for name in settings.tags]
    regions = settings.region_environments
    if not regions.private_network and regions.cross_subscription_export != "Refuse":
        problems.append(
            "regionEnvironments.crossSubscriptionExport: data crosses through disk accesses, which "
            "a region with privateNetwork: false has not; found DiskAccess"
        )
    problems += [f"tags: {name} is there twice" for name in {*names} if names.count(name) > 1]
    pool = settings.region_environments.address_pool
    if not _is_pool(pool):
        problems.append(
            f"regionEnvironments.addressPool: must be a network of /8 to /20 with no bit set "
            f"behind its prefix; found {pool}"
        )
    return problems


def _is_pool(text: str) -> bool:
    """Return whether *text* is a network that holds many networks of the size of a /24."""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return 8 <= network.prefixlen <= 20  # noqa: PLR2004 - IPv4's biggest; a few regions' worth


def _within(arm_id: str, scopes: tuple[str, ...]) -> bool:
    """Return whether *arm_id* is one of *scopes* or lies below one."""
    return any(lies_within(arm_id, scope) for scope in scopes)
