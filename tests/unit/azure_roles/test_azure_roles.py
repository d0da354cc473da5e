"""What the administrator is told to put into Azure follows from the settings."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from msgspec.structs import replace

from azure_simulator.identities.conditions import Wish, holds
from tools import azure_roles
from vmbackup_operator.environments.plan import CONTAINERS
from vmbackup_operator.naming import environment_names
from vmbackup_operator.settings import OtherSubscription, Settings, Tenant, load

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "charts" / "vmbackup" / "settings.yaml"
SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
ACCOUNT = (
    f"{SUBSCRIPTION}/resourceGroups/rg-repository/providers/Microsoft.Storage"
    "/storageAccounts/contosobackups01"
)
WHO = "7a6b5c4d-3e2f-4101-9234-56789abcdef0"


@pytest.fixture
def settings() -> Settings:
    return load(EXAMPLE)


def group(region: str) -> str:
    names = environment_names("contoso-backup", SUBSCRIPTION.split("/")[2], region)
    return f"{SUBSCRIPTION}/resourceGroups/{names.resource_group}"


def test_each_role_is_assigned_where_it_belongs(settings: Settings) -> None:
    assert azure_roles.scopes_of_roles(settings, ("westeurope", "northeurope")) == {
        "subscription": [SUBSCRIPTION],
        "source": [f"{SUBSCRIPTION}/resourceGroups/rg-production"],
        "workers": [
            f"{SUBSCRIPTION}/resourceGroups/rg-backup",
            group("westeurope"),
            group("northeurope"),
        ],
        "exports": [],
        "restore": [f"{SUBSCRIPTION}/resourceGroups/rg-production"],
        "rewind": [f"{SUBSCRIPTION}/resourceGroups/rg-production"],
        "quotas": [SUBSCRIPTION],
        "repository": [ACCOUNT],
    }


def test_in_another_subscription_the_appliances_group_is_made_and_given(settings: Settings) -> None:
    elsewhere = OtherSubscription("66666666-7777-4888-8999-000000000000", "rg-exports")
    settings = replace(settings, other_subscriptions=(elsewhere,))
    group = "/subscriptions/66666666-7777-4888-8999-000000000000/resourceGroups/rg-exports"

    puts = {put.id: put.body for put in azure_roles.puts(settings, WHO, ())}

    assert azure_roles.scopes_of_roles(settings, ())["exports"] == [group]
    assert puts[group]["location"] == "westeurope"
    assert [each for each in puts if each.startswith(f"{group}/")]


def test_accounts_are_named_once_and_containers_by_their_account(settings: Settings) -> None:
    container = f"{ACCOUNT.upper()}/blobServices/default/containers/c"
    more = Tenant("db-team", storage_accounts=(container, ACCOUNT))
    settings = replace(settings, tenancy=(*settings.tenancy, more))

    assert azure_roles.scopes_of_roles(settings, ())["repository"] == [ACCOUNT]


def test_a_network_of_another_group_gets_the_role_for_itself_alone(settings: Settings) -> None:
    network = settings.appliance.virtual_network_id.replace("rg-backup", "rg-hub")
    appliance = replace(settings.appliance, virtual_network_id=network)

    scopes = azure_roles.scopes_of_roles(replace(settings, appliance=appliance), ())["workers"]

    assert network in scopes
    assert f"{SUBSCRIPTION}/resourceGroups/rg-hub" not in scopes


def test_a_role_can_be_assigned_in_every_subscription_that_needs_it(settings: Settings) -> None:
    elsewhere = ACCOUNT.replace("11111111", "22222222")
    more = Tenant("db-team", storage_accounts=(elsewhere,))
    settings = replace(settings, tenancy=(*settings.tenancy, more))

    defined = azure_roles.define(settings, "repository", [ACCOUNT, elsewhere])

    assert defined.body["properties"]["assignableScopes"] == [
        SUBSCRIPTION,
        SUBSCRIPTION.replace("11111111", "22222222"),
    ]


@pytest.mark.parametrize("scopes_of", ["restore_scopes", "rewind_scopes"])
def test_quotas_are_looked_at_in_every_subscription_in_which_disks_are_made(
    settings: Settings, scopes_of: str
) -> None:
    elsewhere = SUBSCRIPTION.replace("11111111", "22222222")
    scopes = (f"{elsewhere}/resourceGroups/one", f"{elsewhere.upper()}/resourceGroups/two")
    tenant = replace(Tenant("db-team"), **{scopes_of: scopes})
    settings = replace(settings, tenancy=(*settings.tenancy, tenant))

    found = azure_roles.scopes_of_roles(settings, ())
    assert sorted(found["quotas"]) == [SUBSCRIPTION, elsewhere]
    assert found["subscription"] == [SUBSCRIPTION]


CONTAINER = f"{ACCOUNT}/blobServices/default/containers/archives"


def test_the_tier_is_set_in_the_data_container_of_an_archive_and_nowhere_else(
    settings: Settings,
) -> None:
    without = [put.id for put in azure_roles.puts(settings, WHO, ())]
    puts = [*azure_roles.puts(settings, WHO, (), archives=[CONTAINER, CONTAINER.upper()])]

    more = [put for put in puts if put.id not in without]
    assert len(more) == 2
    assigned = more[1].id.partition("/providers/Microsoft.Authorization/")[0]
    assert assigned == CONTAINER
    (permission,) = more[0].body["properties"]["permissions"]
    assert [each.rsplit("/", 1)[1] for each in permission["dataActions"]] == ["write"]
    assert permission["actions"] == []


@pytest.mark.parametrize("wrong", [ACCOUNT, f"{CONTAINER}/more", "archives"])
def test_an_archive_that_is_no_container_is_refused(
    capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    words = ["--settings", str(EXAMPLE), "--principal", WHO]

    assert azure_roles.main([*words, "--archive", CONTAINER]) == 0
    assert CONTAINER in capsys.readouterr().out
    assert azure_roles.main([*words, "--archive", wrong]) == 2
    assert wrong in capsys.readouterr().err


def test_what_is_put_has_the_same_name_each_time_and_no_two_have_one(settings: Settings) -> None:
    regions = ("northeurope", "westeurope")
    first = [put.id for put in azure_roles.puts(settings, WHO, regions)]

    assert first == [put.id for put in azure_roles.puts(settings, WHO.upper(), regions)]
    assert len({each.lower() for each in first}) == len(first)


def test_the_script_holds_every_put_for_a_shell(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--settings", str(EXAMPLE), "--principal", WHO, "--region", "northeurope"]
    assert azure_roles.main(words) == 0

    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines() if line[:2] == "az"]
    puts = list(azure_roles.puts(settings, WHO, ("northeurope",)))
    assert [json.loads(line[-1]) for line in lines] == [put.body for put in puts]
    assert [line[5].split("?")[0] for line in lines] == [
        f"https://management.azure.com{put.id}" for put in puts
    ]


def test_wrong_settings_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--settings", str(tmp_path / "none.yaml"), "--principal", WHO]

    assert azure_roles.main(words) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_the_role_for_locks_comes_where_it_is_asked_for_and_can_do_nothing_else(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--settings", str(EXAMPLE), "--principal", WHO]
    without = list(azure_roles.puts(settings, WHO, ()))

    assert azure_roles.main([*words, "--locks"]) == 0
    printed = capsys.readouterr().out
    (permission,) = azure_roles.definition(azure_roles.LOCKS)["permissions"]

    added = [put for put in azure_roles.puts(settings, WHO, (), locks=True) if put not in without]
    assert [put.id.split("/")[-2] for put in added] == ["roleDefinitions", "roleAssignments"]
    assert added[1].id.startswith(ACCOUNT)
    assert all(put.id in printed for put in added)
    assert permission["actions"] == []
    assert [each.rsplit("/", 3)[1:] for each in permission["dataActions"]] == [
        ["immutableStorage", "runAsSuperUser", "action"]
    ]


@pytest.mark.parametrize("role", [*azure_roles.ROLES, azure_roles.LOCKS, azure_roles.TIERS])
def test_no_role_has_wildcards_takes_keys_or_gives_roles(role: str) -> None:
    text = azure_roles.role_file(role).read_text()

    assert "*" not in text
    assert "listkeys" not in text.lower()
    assert "Microsoft.Authorization" not in text


def test_on_what_is_backed_up_nothing_is_written_run_or_deleted() -> None:
    (permission,) = azure_roles.definition("source")["permissions"]

    assert permission["dataActions"] == []
    assert {action.rsplit("/", 1)[1] for action in permission["actions"]} == {"read", "action"}
    assert [a for a in permission["actions"] if a.endswith("/action")] == [
        "Microsoft.Compute/disks/beginGetAccess/action"
    ]


def test_no_role_lets_a_stored_blob_be_overwritten_and_few_let_it_be_deleted() -> None:
    for role in azure_roles.ROLES:
        (permission,) = azure_roles.definition(role)["permissions"]
        blobs = [action for action in permission["dataActions"] if "/blobs/" in action]
        found = {action.split("/blobs/")[1] for action in blobs}
        own = {"delete"} if role in {*azure_roles.CONDITIONS, "repository"} else set()
        assert found <= {"read", "add/action"} | own


def test_blobs_are_deleted_in_the_operators_own_containers_only(settings: Settings) -> None:
    """Wherever the role is assigned, and whatever else an account there holds."""
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    conditions = {
        put.body["properties"].get("condition")
        for put in azure_roles.puts(settings, WHO, ("northeurope",))
        if put.says.startswith("vmbackup workers at ")
    }
    (condition,) = conditions

    def may(action: str, container: str) -> bool:
        scope = f"{ACCOUNT}/blobServices/default/containers/{container}"
        return holds(condition, Wish(f"{blobs}/{action}", scope))

    assert {name for name in (*CONTAINERS, "vm-backups") if may("delete", name)} == {*CONTAINERS}
    assert may("read", "vm-backups")
    assert may("add/action", "vm-backups")
    assert holds(condition, Wish("Microsoft.Compute/snapshots/delete", SUBSCRIPTION))
