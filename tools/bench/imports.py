"""What importing Azure's SDKs costs in memory: each alone, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

#: In the order in which the operator would pay for them; each on top of those before it.
MODULES = (
    "azure.identity.aio",
    "azure.mgmt.compute.aio",
    "azure.mgmt.network.aio",
    "azure.mgmt.storage.aio",
    "azure.mgmt.privatedns.aio",
    "azure.mgmt.resource.resources.aio",
    "azure.storage.blob.aio",
    "azure.storage.queue.aio",
    "kopf",
    "vmbackup_operator.handlers.serving",
)

_PROGRAM = """
import importlib, re, sys
def resident():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmRSS:\\s+(\\d+)", status.read())[1]) / 1024
print("python", resident())
for module in sys.argv[1:]:
    importlib.import_module(module)
    print(module, resident())
"""


def measure() -> dict[str, float]:
    """Return the MiB resident after each import on top of those before it."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *MODULES], capture_output=True, text=True, check=True
    )
    lines = (line.split(" ") for line in done.stdout.splitlines())
    return {module: round(float(mib), 1) for module, mib in lines}
