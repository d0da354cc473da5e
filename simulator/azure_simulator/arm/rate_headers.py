"""What an answer says is left of Azure's limits: shown as Azure shows it, but not enforced.

Throttling itself is a later matter; a fault can stand in for it.
"""

from __future__ import annotations

from collections import Counter

from azure_simulator.arm.paths import Target

_SUBSCRIPTION = "x-ms-ratelimit-remaining-subscription"
_PER_MINUTE = {"reads": 250, "writes": 200, "deletes": 200}
_GLOBAL_FACTOR = 15
_BUCKETS = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}

#: Compute's policies: how many in 3 and in 30 minutes.
_COMPUTE = {
    "CreateUpdateDisks": (3000, 25000),
    "DeleteDisks": (3000, 24000),
    "HighCostDiskAccess": (100, 300),
    "HighCostDiskHydrate": (1000, 8000),
    "HighCostSnapshotCreateHydrate": (1000, 8000),
    "LowCostGet": (15000, 120000),
    "GetOperation": (50000, 400000),
    "UpdateVM": (240, 1200),
    "DeleteVM": (240, 1200),
}
_RESOURCE_REQUESTS = {"microsoft.network/privatednszones": 12000, "microsoft.storage": 12000}


class RateHeaders:
    """Counts requests; a count that has run down starts again."""

    def __init__(self) -> None:
        self._spent: Counter[str] = Counter()

    def of(self, method: str, target: Target | None) -> dict[str, str]:
        """Return the headers of an answer to *method* at *target*, None where that is no path."""
        bucket = _BUCKETS.get(method, "writes")
        most = _PER_MINUTE[bucket]
        left = self._left(bucket, most)
        headers = {
            f"{_SUBSCRIPTION}-{bucket}": str(left),
            f"{_SUBSCRIPTION}-global-{bucket}": str(left * _GLOBAL_FACTOR),
        }
        kind = target.kind.lower() if target else ""
        if kind.startswith("microsoft.compute/"):
            headers["x-ms-ratelimit-remaining-resource"] = self._compute(_policy(method, kind))
        for prefix, requests in _RESOURCE_REQUESTS.items():
            if kind.startswith(prefix):
                name = f"{_SUBSCRIPTION}-resource-requests"
                headers[name] = str(self._left(prefix, requests))
        return headers

    def _compute(self, policy: str) -> str:
        short, long = _COMPUTE[policy]
        parts = (("3Min", short), ("30Min", long))
        return ",".join(
            f"Microsoft.Compute/{policy}{window};{self._left(policy + window, most)}"
            for window, most in parts
        )

    def _left(self, name: str, most: int) -> int:
        self._spent[name] = (self._spent[name] + 1) % most
        return most - self._spent[name]


def _policy(method: str, kind: str) -> str:
    if "operations" in kind:
        return "GetOperation"
    if method in ("GET", "HEAD"):
        return "LowCostGet"
    return _write_policy(method, kind)


def _write_policy(method: str, kind: str) -> str:
    if "/virtualmachines" in kind:
        deletes = method == "DELETE" or kind.endswith("/deallocate")
        return "DeleteVM" if deletes else "UpdateVM"
    if "/diskaccesses" in kind:
        return "HighCostDiskAccess"
    if "/snapshots" in kind and method != "DELETE":
        return "HighCostSnapshotCreateHydrate"
    if kind.endswith("getaccess"):
        return "HighCostDiskHydrate"
    return "DeleteDisks" if method == "DELETE" else "CreateUpdateDisks"
