"""examples/gitops on a real API server: what is applied from git again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubernetesUser

pytestmark = pytest.mark.control_plane

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "gitops"
TEAM = "web-team"
APPLY = ("apply", "--server-side", "-k", str(FOLDER))
MINE = ("backuppolicy/nightly", "backuprepository/west-europe")

ARGOCD = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  namespace: argocd
  labels:
    app.kubernetes.io/part-of: argocd
data:
  url: https://argocd.example.com
"""


@pytest.fixture
def user(installed: ControlPlane) -> Iterator[KubernetesUser]:
    """An administrator, where nothing of the folder is there before, or afterwards."""
    installed.administrator.kubectl("delete", *MINE, "-n", TEAM, "--ignore-not-found")
    yield installed.administrator
    installed.administrator.kubectl("delete", *MINE, "-n", TEAM, "--ignore-not-found")


def stored(user: KubernetesUser) -> dict[str, Any]:
    """Return what the API server has of the folder's objects, by kind and name."""
    found = user.get(*MINE, "rolebinding/vmbackup-operator", "-n", TEAM)["items"]
    found.append(user.get("namespace", TEAM))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


def test_applied_twice_the_second_time_changes_nothing(user: KubernetesUser) -> None:
    first = user.kubectl(*APPLY)
    before = stored(user)
    user.kubectl(*APPLY)

    assert len(first.splitlines()) == len(before) == 4
    assert stored(user) == before  # no new resourceVersion, no new generation


def test_what_is_in_git_differs_in_nothing_from_what_the_api_server_has(
    user: KubernetesUser,
) -> None:
    user.kubectl(*APPLY)

    assert user.kubectl("diff", "--server-side", "-k", str(FOLDER)) == ""


def test_nothing_in_git_is_a_secret_or_begins_work(user: KubernetesUser) -> None:
    text = user.kubectl("kustomize", str(FOLDER))

    assert {each["kind"] for each in yaml.safe_load_all(text)} == {
        "Namespace", "RoleBinding", "BackupRepository", "BackupPolicy",
    }  # fmt: skip


def test_argo_cds_configuration_gets_the_health_of_each_kind(
    user: KubernetesUser, tmp_path: Path
) -> None:
    component = tmp_path / "vmbackup"
    component.mkdir()
    for path in (FOLDER / "argocd").rglob("*.*"):
        copy = component / path.relative_to(FOLDER / "argocd")
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "argocd-cm.yaml").write_text(ARGOCD)
    kustomization = {"resources": ["argocd-cm.yaml"], "components": ["vmbackup"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    (merged,) = yaml.safe_load_all(user.kubectl("kustomize", str(tmp_path)))

    scripts = {path.parent.name: path.read_text() for path in FOLDER.glob("argocd/*/health.lua")}
    assert merged["metadata"]["name"] == "argocd-cm"
    assert merged["data"].pop("url") == "https://argocd.example.com"
    assert merged["data"] == {
        f"resource.customizations.health.vmbackup.dev_{kind}": script
        for kind, script in scripts.items()
    }
