"""vmbackup installed in a local control plane, for the simulated Azure: a user's way by hand.

CRDs, the operator's rights, admission, its namespaces, the two Secrets with freshly made keys, and
the settings: the chart's, with the tenant and the bundle that are really there.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import yaml

from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.operator_process import OperatorProcess
from tools.local_cloud.toolchains import ROOT

EXAMPLES = ROOT / "examples"
CHART = ROOT / "charts" / "vmbackup"
OPERATOR_NAMESPACE = "vmbackup-system"
OPERATOR_ACCOUNT = "vmbackup-operator"

#: Scopes by the settings' names of them: ``backupScopes`` or ``restoreScopes``.
Scopes: TypeAlias = Mapping[Literal["backupScopes", "restoreScopes"], Sequence[str]]
_NO_MORE: Final[Scopes] = {}
USER_NAMESPACE = "web-team"


@dataclass(frozen=True, slots=True)
class Installation:
    """An operator that can be started, and the key that reads what it stores."""

    operator: OperatorProcess
    repository_key: Path


def install(
    plane: ControlPlane,
    ready: Mapping[str, Any],
    bundle: Path,
    folder: Path,
    scopes: Scopes = _NO_MORE,
    changes: Mapping[str, Any] | None = None,
) -> Installation:
    """Install vmbackup with files of its own in *folder*; the operator is not started yet.

    *scopes* are the user's namespace's beside those of the examples; *changes* are settings that
    differ from the chart's, or parts of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plane.install_crds(ROOT / "crds")
    give_rights(plane)
    ring = secrets.token_hex(32)
    make_secret(plane, OPERATOR_NAMESPACE, "vmbackup-key-ring", {"2026-11": ring})
    key = make_repository_key(plane, folder)
    user = plane.service_account(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    settings = write_settings(folder / "settings.yaml", ready, bundle, scopes, changes)
    log = folder / "operator.log"
    return Installation(OperatorProcess(settings, user.kubeconfig, ready, log), key)


def make_repository_key(plane: ControlPlane, folder: Path) -> Path:
    """Draw the key of the example repository, and make the user's Secret of it.

    Return the file in *folder* that has it as well.
    """
    key = folder / "repository.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    reference = example("repository.yaml")["spec"]["encryptionKey"]["secretRef"]
    make_secret(plane, USER_NAMESPACE, reference["name"], {reference["key"]: key.read_text()})
    mark_as_key(plane, USER_NAMESPACE, reference["name"])
    return key


def put_off_upkeep(plane: ControlPlane) -> None:
    """Have the example repository's upkeep due half a day from now, and what is new due with it.

    So what is counted of a session does not hang on the hour at which that is done; the annotation
    ``vmbackup.dev/upkeep`` asks for upkeep at any time.
    """
    plane.administrator.kubectl(
        "patch",
        "backuprepository",
        example("repository.yaml")["metadata"]["name"],
        f"--namespace={USER_NAMESPACE}",
        "--type=merge",
        f"--patch={json.dumps({'spec': {'upkeep': upkeep_put_off()}})}",
    )


def upkeep_put_off() -> dict[str, Any]:
    """Return the upkeep of a repository that is due half a day from now."""
    hour = (datetime.now(UTC).hour + 12) % 24
    return {"schedule": f"0 {hour} * * *", "verifyNewWithinDays": 1}


def give_rights(plane: ControlPlane) -> None:
    """Make both namespaces, and give the operator its rights, in the users' too."""
    for namespace in (OPERATOR_NAMESPACE, USER_NAMESPACE):
        make_namespace(plane, namespace)
    plane.administrator.apply(CHART / "rbac", CHART / "admission")
    serve(plane, USER_NAMESPACE)


def serve(plane: ControlPlane, namespace: str) -> None:
    """Let the operator work in *namespace*."""
    group = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": OPERATOR_ACCOUNT, "namespace": OPERATOR_NAMESPACE}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "vmbackup-operator-namespace"}
    binding = {"metadata": {"name": "vmbackup-operator"}, "roleRef": role, "subjects": [account]}
    path = f"/apis/{group}/v1/namespaces/{namespace}/rolebindings"
    plane.administrator.post(path, binding)


def make_namespace(plane: ControlPlane, name: str) -> None:
    """Make a namespace that nobody has given to the operator."""
    plane.administrator.post("/api/v1/namespaces", {"metadata": {"name": name}})


def mark_as_key(plane: ControlPlane, namespace: str, secret: str) -> None:
    """Let the operator look into a Secret."""
    plane.administrator.kubectl(
        "label", "secret", secret, f"--namespace={namespace}", "vmbackup.dev/key=true"
    )


def write_settings(
    path: Path,
    ready: Mapping[str, Any],
    bundle: Path,
    scopes: Scopes = _NO_MORE,
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """Write the chart's settings with the tenant and the bundle that are really there."""
    settings = example_settings()
    settings["appliance"]["tenantId"] = ready["tenantId"]
    settings["workers"] |= {"bundle": str(bundle)}
    for name, change in (changes or {}).items():
        settings[name] = {**settings[name], **change} if isinstance(change, dict) else change
    for name, more in scopes.items():
        settings["tenancy"][0][name] += more
    settings["tenancy"][0]["repositories"] = [f"{USER_NAMESPACE}/*"]
    path.write_text(yaml.safe_dump(settings))
    return path


def example(name: str) -> Any:
    """Return the one document of an example, parsed."""
    return yaml.safe_load((EXAMPLES / name).read_text())


def example_settings() -> Any:
    """Return the chart's settings, parsed."""
    return yaml.safe_load((CHART / "settings.yaml").read_text())


def make_secret(plane: ControlPlane, namespace: str, name: str, values: dict[str, str]) -> None:
    """Make a Secret with *values*."""
    plane.administrator.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": values,
        }
    )
