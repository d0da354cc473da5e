"""Objects as Kubernetes writes them, for JSON and YAML."""

from __future__ import annotations

import msgspec

from vmbackup_operator.kubectl_plugin.any_session import AnySession
from vmbackup_operator.model.metadata import API_VERSION
from vmbackup_operator.model.recovery_point import RecoveryPoint


def as_manifest(of: AnySession | RecoveryPoint) -> dict[str, object]:
    """Return the object as Kubernetes writes it."""
    body: dict[str, object] = msgspec.to_builtins(of)
    return {"apiVersion": API_VERSION, "kind": of.kind, **body}
