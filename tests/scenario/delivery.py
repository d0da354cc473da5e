"""What a team keeps in git, and the objects by which Flux delivers it to the product."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scenario.git_remote import BRANCH, GitRemote
from tests.scenario.stage import Stage, eventually
from tools.local_cloud.flux import GIT_REPOSITORY, KUSTOMIZATION, NAMESPACE
from tools.local_cloud.installation import upkeep_put_off

NAME = "web-team"
#: What has Flux look at once: as the command `flux reconcile` asks.
REQUEST = "reconcile.fluxcd.io/requestedAt"
#: Only when somebody asks.
INTERVAL = "1h"
WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Delivery:
    """A team's folder in git, and the objects by which Flux delivers it."""

    stage: Stage
    remote: GitRemote
    #: The folder's files as they are to be committed next.
    files: Path

    def begin(self) -> None:
        """Commit the folder, and tell Flux of it."""
        self.remote.commit(self.files)
        upkeep = {"op": "add", "path": "/spec/upkeep", "value": upkeep_put_off()}
        self._create(
            "source.toolkit.fluxcd.io/v1 GitRepository",
            {"interval": INTERVAL, "url": self.remote.url, "ref": {"branch": BRANCH}},
        )
        self._create(
            "kustomize.toolkit.fluxcd.io/v1 Kustomization",
            {
                "interval": INTERVAL,
                "timeout": f"{WITHIN_S}s",
                "path": "./",
                "prune": True,
                "wait": True,
                "sourceRef": {"kind": "GitRepository", "name": NAME},
                # The hour of the upkeep hangs on when the test runs.
                "patches": [
                    {"target": {"kind": "BackupRepository"}, "patch": json.dumps([upkeep])}
                ],
            },
        )

    def _create(self, kind: str, spec: dict[str, Any]) -> None:
        version, _, kind = kind.partition(" ")
        metadata = {"name": NAME, "namespace": NAMESPACE}
        self.stage.plane.administrator.create(
            {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        )

    def commit(self) -> str:
        """Commit the files, and have Flux fetch them; return the revision by Flux's name."""
        revision = self.remote.commit(self.files)
        self._request(GIT_REPOSITORY)
        return f"{BRANCH}@sha1:{revision}"

    def reconciled_again(self) -> None:
        """Have Flux compare what is in git with what there is, and return when it has."""
        token = self._request(KUSTOMIZATION)
        eventually(
            self.standing,
            lambda seen: seen.get("lastHandledReconcileAt") == token and is_ready(seen),
            "Flux has looked again",
            WITHIN_S,
        )

    def _request(self, kind: str) -> str:
        token = uuid.uuid4().hex
        words = ("annotate", "--overwrite", kind, NAME, "-n", NAMESPACE, f"{REQUEST}={token}")
        self.stage.plane.administrator.kubectl(*words)
        return token

    def standing(self) -> dict[str, Any]:
        """Return the status of the Kustomization."""
        path = "/apis/kustomize.toolkit.fluxcd.io/v1"
        user = self.stage.plane.administrator
        found = user.find(NAMESPACE, "kustomizations", NAME, within=path)
        status: dict[str, Any] = found.get("status", {})
        return status

    def applied(self, revision: str) -> None:
        """Return once all of *revision* is there, and well by what each object says."""
        eventually(
            self.standing,
            lambda seen: seen.get("lastAppliedRevision") == revision and is_ready(seen),
            f"{revision} is applied",
            WITHIN_S,
        )


def is_ready(standing: dict[str, Any]) -> bool:
    return said(standing, "Ready").get("status") == "True"


def said(standing: dict[str, Any], type_: str) -> dict[str, Any]:
    """Return a condition of a status, empty where it has none of the type."""
    conditions = standing.get("conditions", [])
    return next((each for each in conditions if each["type"] == type_), {})
