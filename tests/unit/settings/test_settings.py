"""Settings are read whole or refused whole, with every problem named by its key."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from vmbackup_operator.settings import Settings, WrongSettings, load

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "charts" / "vmbackup" / "settings.yaml"
SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
PRODUCTION = f"{SUBSCRIPTION}/resourceGroups/rg-production"
A_SCOPE = "the ARM id of a subscription, a resource group or a resource, without a slash at its end"
VM = "providers/Microsoft.Compute/virtualMachines/web-01"

Document = dict[str, Any]


@pytest.fixture
def document() -> Document:
    parsed: Document = yaml.safe_load(EXAMPLE.read_text())
    return copy.deepcopy(parsed)


def written(folder: Path, document: object) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps(document))
    return path


def problems_of(folder: Path, document: object) -> list[str]:
    with pytest.raises(WrongSettings) as caught:
        load(written(folder, document))
    return caught.value.problems


def test_the_example_is_right() -> None:
    settings = load(EXAMPLE)

    assert settings.appliance.id == "contoso-backup"
    assert settings.workers.bundle_path == Path("/usr/share/vmbackup/bundle")
    assert settings.served_namespaces == ("vmbackup-system", "web-team")


def test_the_example_names_every_setting() -> None:
    def keys(value: object) -> set[str]:
        if isinstance(value, list | tuple):
            return set().union(*map(keys, value))
        if isinstance(value, dict):
            return set(value) | set().union(*map(keys, value.values()))
        return set()

    assert keys(yaml.safe_load(EXAMPLE.read_text())) == keys(msgspec.to_builtins(load(EXAMPLE)))


def test_json_serves_as_well(tmp_path: Path, document: Document) -> None:
    assert load(written(tmp_path, document)) == load(EXAMPLE)


def test_every_problem_is_named_at_once(tmp_path: Path, document: Document) -> None:
    del document["appliance"]["id"]
    document["appliance"]["tenantId"] = "contoso"
    document["appliance"]["keyRing"] = "vmbackup-key-ring"
    document["tenancy"][0]["backupScopes"].append(f"{PRODUCTION}/")
    document["workers"]["timeoutSeconds"] = "5m"
    document["workres"] = {}

    assert problems_of(tmp_path, document) == [
        "workres: is no setting",
        "appliance.id: is missing",
        "appliance.tenantId: must be a UUID; found 'contoso'",
        "appliance.keyRing: must be a mapping",
        "workers.timeoutSeconds: must be 60 to 604800 seconds; found '5m'",
        f"tenancy[0].backupScopes[1]: must be {A_SCOPE}; found '{PRODUCTION}/'",
    ]


@pytest.mark.parametrize(
    ("keys", "value", "problem"),
    [
        (("appliance", "region"), "West Europe", "appliance.region: must be a region's name"),
        (("appliance", "resourceGroup"), PRODUCTION, "appliance.resourceGroup: must be a resource"),
        (
            ("appliance", "virtualNetworkId"),
            "vnet",
            "appliance.virtualNetworkId: must be a virtual",
        ),
        (
            ("regionEnvironments", "dnsMode"),
            "Magic",
            "regionEnvironments.dnsMode: must be Managed; found 'Magic'",
        ),
        (("tenancy",), "web-team", "tenancy: must be a list; found 'web-team'"),
        (("regionEnvironments", "addressPool"), "10.213.1.0/16", "regionEnvironments.addressPool"),
        (("regionEnvironments", "addressPool"), "10.213.0.0/24", "regionEnvironments.addressPool"),
        (("regionEnvironments", "addressPool"), "10.300.0.0/16", "regionEnvironments.addressPool"),
        (("tags",), ["team"], "tags: must be at most 10 tags"),
        (("tags",), {"vmbackup-owner": "x"}, "tags: must be at most 10 tags"),
        (("tags",), {"Azure-x": "x"}, "tags: must be at most 10 tags"),
        (("tags",), {"a/b": "x"}, "tags: must be at most 10 tags"),
        (("tags",), {"cost": 42}, "tags: must be at most 10 tags"),
        (("tags",), {str(number): "x" for number in range(11)}, "tags: must be at most 10 tags"),
        (("tags",), {"Team": "a", "team": "b"}, "tags: team is there twice"),
        (("namespace",), "other", "appliance.keyRing.secretRef.namespace: must be the operator's"),
        (("workers", "idleTtlSeconds"), 1, "workers.idleTtlSeconds: must be 60"),
        (("logging", "format"), "json", "logging.format: must be JSON or Text; found 'json'"),
        (
            ("regionEnvironments", "privateNetwork"),
            "no",
            "regionEnvironments.privateNetwork: must be true or false; found 'no'",
        ),
        (("discovery", "intervalSeconds"), 59, "discovery.intervalSeconds: must be 60"),
        (
            ("snapshotSets", "retentionChangeDelayDays"),
            366,
            "snapshotSets.retentionChangeDelayDays: must be 0 to 365 days",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_value_is_refused_by_its_key(
    tmp_path: Path, document: Document, keys: tuple[str, ...], value: object, problem: str
) -> None:
    *folders, last = keys
    place = document
    for folder in folders:
        place = place[folder]
    place[last] = value

    (found,) = problems_of(tmp_path, document)
    assert found.startswith(problem)


def test_a_namespace_is_named_once(tmp_path: Path, document: Document) -> None:
    document["tenancy"].append({"namespace": "web-team"})

    assert problems_of(tmp_path, document) == ["tenancy[1].namespace: web-team is there already"]


def test_data_crosses_into_private_networks_alone(tmp_path: Path, document: Document) -> None:
    regions = document["regionEnvironments"]
    regions |= {"privateNetwork": False, "crossSubscriptionExport": "DiskAccess"}

    (found,) = problems_of(tmp_path, document)
    regions["crossSubscriptionExport"] = "Refuse"

    assert found.startswith("regionEnvironments.crossSubscriptionExport: data crosses through disk")
    assert load(written(tmp_path, document)).region_environments.private_network is False


@pytest.mark.parametrize("number", [0, -1, 10_001, "3", 2.5])
def test_a_namespace_has_a_number_of_backups_at_once(
    tmp_path: Path, document: Document, number: object
) -> None:
    del document["tenancy"][0]["maxConcurrentBackups"]
    unsaid = load(written(tmp_path, document))
    document["tenancy"][0]["maxConcurrentBackups"] = number

    assert unsaid.most_backups_at_once("web-team") == 1000
    assert unsaid.most_backups_at_once("other") == 0
    assert problems_of(tmp_path, document) == [
        f"tenancy[0].maxConcurrentBackups: must be a number from 1 to 10000; found {number!r}"
    ]


def test_another_subscription_is_named_once_and_is_another(
    tmp_path: Path, document: Document
) -> None:
    own, other = document["appliance"]["subscriptionId"], "66666666-7777-4888-8999-000000000000"
    document["otherSubscriptions"] = [
        {"subscriptionId": each, "resourceGroup": "rg-exports"} for each in (other, other, own)
    ]

    second, third = problems_of(tmp_path, document)

    assert second.startswith(f"otherSubscriptions[1].subscriptionId: {other}")
    assert third.startswith(f"otherSubscriptions[2].subscriptionId: {own}")


def test_snapshots_are_in_the_group_that_is_named_for_their_subscription(
    tmp_path: Path, document: Document
) -> None:
    own, other = document["appliance"]["subscriptionId"], "66666666-7777-4888-8999-00000000000a"
    document["otherSubscriptions"] = [{"subscriptionId": other, "resourceGroup": "rg-exports"}]
    settings = load(written(tmp_path, document))

    assert settings.snapshot_groups == ((own, "rg-backup"), (other, "rg-exports"))
    assert settings.snapshot_group(other.upper()) == (other.upper(), "rg-exports")
    assert settings.is_other_subscription(other.upper())
    assert not settings.is_other_subscription(own)


def test_a_device_that_never_ends_is_not_read_to_its_end() -> None:
    with pytest.raises(WrongSettings, match="/dev/zero:\n  more than"):
        load(Path("/dev/zero"))


def test_a_file_that_is_missing_or_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongSettings, match=r"absent\.yaml.*\n  cannot be read: No such file"):
        load(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("appliance: [")
    with pytest.raises(WrongSettings, match="neither YAML nor JSON"):
        load(tmp_path / "broken.yaml")
    assert problems_of(tmp_path, []) == ["the file: must be a mapping"]


@pytest.mark.parametrize(
    ("arm_id", "allowed"),
    [
        (f"{PRODUCTION}/{VM}", True),
        (f"{PRODUCTION}/{VM}".upper().replace("/SUBSCRIPTIONS", "/subscriptions"), True),
        (PRODUCTION, True),
        (f"{PRODUCTION}-2/{VM}", False),
        (f"{SUBSCRIPTION}/resourceGroups/rg-secret/{VM}", False),
        (f"{PRODUCTION}/../rg-secret/{VM}", False),
        (f"{PRODUCTION}/{VM}/../../x", False),
        (f"{PRODUCTION}/{VM}?x=/", False),
        (SUBSCRIPTION, False),
        ("", False),
    ],
)
def test_a_namespace_may_name_what_lies_in_its_scopes(arm_id: str, allowed: bool) -> None:  # noqa: FBT001 - a table
    settings = load(EXAMPLE)

    assert settings.may_back_up("web-team", arm_id) is allowed
    assert settings.may_restore_into("web-team", arm_id) is allowed
    assert settings.may_rewind("web-team", arm_id) is allowed
    assert not settings.may_back_up("vmbackup-system", arm_id)


def test_who_may_restore_somewhere_may_not_rewind_there(tmp_path: Path, document: Document) -> None:
    del document["tenancy"][0]["rewindScopes"]
    settings = load(written(tmp_path, document))

    assert settings.may_restore_into("web-team", f"{PRODUCTION}/{VM}")
    assert not settings.may_rewind("web-team", f"{PRODUCTION}/{VM}")


def test_where_anybody_may_restore_into_is_told_once_by_the_largest_scope(
    tmp_path: Path, document: Document
) -> None:
    other = SUBSCRIPTION.replace("1111", "9999", 1)
    document["tenancy"] = [
        {"namespace": "a", "restoreScopes": [PRODUCTION, f"{other}/resourceGroups/rg-B"]},
        {"namespace": "b", "restoreScopes": [SUBSCRIPTION, f"{other}/resourceGroups/rg-b/{VM}"]},
    ]
    settings = load(written(tmp_path, document))

    whole, apart = SUBSCRIPTION.split("/")[2], other.split("/")[2]
    assert settings.restore_places == ((whole, None), (apart, "rg-b"))


def test_a_namespace_may_use_its_repositories(tmp_path: Path, document: Document) -> None:
    document["tenancy"].append({"namespace": "db-team", "repositories": ["web-team/*"]})
    settings = load(written(tmp_path, document))

    assert settings.may_use_repository("web-team", "web-team", "west-europe")
    assert not settings.may_use_repository("web-team", "web-team", "other")
    assert settings.may_use_repository("db-team", "web-team", "other")
    assert not settings.may_use_repository("db-team", "db-team", "other")
    assert not settings.may_use_repository("unknown", "web-team", "west-europe")


STORAGE = f"{SUBSCRIPTION}/resourceGroups/rg-repository/providers/Microsoft.Storage"
ACCOUNT = f"{STORAGE}/storageAccounts/contosobackups01"


def test_a_namespace_keeps_backups_in_its_accounts_and_containers_only(
    tmp_path: Path, document: Document
) -> None:
    shared = f"{ACCOUNT}/blobServices/default/containers/db-backups"
    document["tenancy"].append({"namespace": "db-team", "storageAccounts": [shared]})
    settings = load(written(tmp_path, document))

    assert settings.may_keep_in("web-team", ACCOUNT, "vm-backups")
    assert settings.may_keep_in("web-team", ACCOUNT.upper(), "vm-backups")
    assert not settings.may_keep_in("web-team", f"{ACCOUNT}2", "vm-backups")
    assert not settings.may_keep_in("web-team", f"{ACCOUNT}/../theirs", "vm-backups")
    assert settings.may_keep_in("db-team", ACCOUNT, "db-backups")
    assert not settings.may_keep_in("db-team", ACCOUNT, "vm-backups")
    assert not settings.may_keep_in("vmbackup-system", ACCOUNT, "vm-backups")


def test_only_accounts_and_containers_are_named_as_such(tmp_path: Path, document: Document) -> None:
    document["tenancy"][0]["storageAccounts"] = [PRODUCTION, f"{ACCOUNT}/queueServices/default"]

    assert [problem.split(";")[0] for problem in problems_of(tmp_path, document)] == [
        f"tenancy[0].storageAccounts[{index}]: must be the ARM id of a storage account, or of a "
        "blob container in one"
        for index in (0, 1)
    ]


def test_a_letter_that_looks_like_another_opens_nothing() -> None:
    settings = load(EXAMPLE)

    asked = f"{PRODUCTION}/{VM}".replace("rg-production", "rg-produc\N{KELVIN SIGN}tion")
    assert not settings.may_back_up("web-team", asked)
    assert not settings.may_back_up(
        "web-team", f"{PRODUCTION}/{VM}".replace("s", "\N{LATIN SMALL LETTER LONG S}")
    )


def test_without_tenancy_only_the_own_namespace_may_name_anything(
    tmp_path: Path, document: Document
) -> None:
    del document["tenancy"]
    settings: Settings = load(written(tmp_path, document))

    assert settings.may_back_up("vmbackup-system", f"{PRODUCTION}/{VM}")
    assert settings.may_restore_into("vmbackup-system", f"{PRODUCTION}/{VM}")
    assert not settings.may_rewind("vmbackup-system", f"{PRODUCTION}/{VM}")
    assert settings.may_use_repository("vmbackup-system", "vmbackup-system", "any")
    assert not settings.may_back_up("web-team", f"{PRODUCTION}/{VM}")
    assert settings.may_keep_in("vmbackup-system", ACCOUNT, "any")
    assert not settings.may_keep_in("web-team", ACCOUNT, "any")
    assert settings.served_namespaces == ("vmbackup-system",)
