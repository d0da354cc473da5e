"""docs/getting-started-aks.md: what it has people type is what the product takes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.getting_started import ID, PROGRAMS, Typed, typed
from tests.sources import ROOT
from vmbackup_operator.settings import load


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    return typed(tmp_path_factory.mktemp("typed"))


def test_the_settings_are_whole_and_name_the_repository_of_the_examples(page: Typed) -> None:
    repository = yaml.safe_load((ROOT / "examples" / "repository.yaml").read_text())
    metadata = repository["metadata"]
    (tenant,) = load(page.folder / "settings.yaml").tenancy

    assert tenant.namespace == metadata["namespace"]
    assert list(tenant.repositories) == [f"{metadata['namespace']}/{metadata['name']}"]
    assert list(tenant.storage_accounts) == [repository["spec"]["storageAccountId"]]


def test_the_values_that_helm_is_given_are_values_of_the_chart(page: Typed) -> None:
    values = yaml.safe_load((ROOT / "charts" / "vmbackup" / "values.yaml").read_text())
    install, uninstall = page.of("helm")
    named = [word.partition("=")[0] for word in install if "=" in word]

    assert (install[0], uninstall[0]) == ("install", "uninstall")
    assert named == ["image.repository", "image.tag", "azureIdentity.clientId"]
    for name in named:
        at: Any = values
        for part in name.split("."):
            at = at[part]
        assert at == ""


def test_the_roles_are_those_of_the_settings_and_of_the_identity(page: Typed) -> None:
    (roles,) = page.of(".venv/bin/python")

    assert roles == (
        "-m", "tools.azure_roles", "--settings", "settings.yaml", "--region", "westeurope",
        "--principal", ID,
    )  # fmt: skip


def test_the_restore_is_one_of_the_examples(page: Typed) -> None:
    drill = yaml.safe_load((page.folder / "read").read_text())
    example = yaml.safe_load((ROOT / "examples" / "by-hand" / "restore-disks.yaml").read_text())

    assert drill["spec"].pop("recoveryPointRef") == {"name": PROGRAMS["kubectl"]}
    assert drill["spec"]["target"]["subscriptionId"] == example["spec"]["target"]["subscriptionId"]
    for each in (drill["spec"], drill["spec"]["target"]):
        assert all(each.values())
    assert set(drill["spec"]) <= set(example["spec"])
    assert set(drill["spec"]["target"]) <= set(example["spec"]["target"])


def test_the_identity_is_the_operators_service_accounts(page: Typed) -> None:
    rights = yaml.safe_load_all((ROOT / "charts/vmbackup/rbac/operator.yaml").read_text())
    (account,) = [each["metadata"] for each in rights if each["kind"] == "ServiceAccount"]
    (credential,) = [each for each in page.of("az") if "federated-credential" in each]
    subject = credential[credential.index("--subject") + 1]

    assert subject == f"system:serviceaccount:{account['namespace']}:{account['name']}"
