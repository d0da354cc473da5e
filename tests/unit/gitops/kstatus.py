"""What Flux and kpt make of an object's status: kstatus's rules for kinds that it does not know.

They are public (sigs.k8s.io/cli-utils, pkg/kstatus): a deletion, then observedGeneration, then the
conditions Reconciling and Stalled, then Ready; what says nothing of all that counts as there.
"""

from __future__ import annotations

from typing import Any, Literal

Status = Literal["Current", "InProgress", "Failed", "Terminating"]


def computed(found: dict[str, Any]) -> Status:
    """Return how *found*, an object as the API server gives it, stands."""
    if "deletionTimestamp" in found["metadata"]:
        return "Terminating"
    status = found.get("status", {})
    observed = status.get("observedGeneration")
    if observed is not None and observed != found["metadata"]["generation"]:
        return "InProgress"
    said = {each["type"]: each["status"] for each in status.get("conditions", ())}
    if said.get("Reconciling") == "True":
        return "InProgress"
    if said.get("Stalled") == "True":
        return "Failed"
    return "Current" if said.get("Ready", "True") == "True" else "InProgress"
