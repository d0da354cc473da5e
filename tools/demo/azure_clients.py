"""What an ordinary Azure client needs to sign in to the demo's Azure, and the lines to type."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.local_cloud import seed
from tools.local_cloud.client_programs import AZURE_CLI

_GROUP = seed.VM_ID.split("/")[4]


def variables(ready: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return who may sign in beside the operator, and where Azure CLI keeps what it knows.

    *folder* gets that: who has signed in to a real Azure stays signed in there.
    """
    owner = ready["administrator"]
    return {
        "OWNER_CLIENT_ID": owner["clientId"],
        "OWNER_CLIENT_SECRET": owner["clientSecret"],
        "AZURE_CONFIG_DIR": str(folder / "azure-cli"),
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
    }


def programs() -> list[Path]:
    """Return the folder of the Azure CLI that `make clients` made, where PATH has none."""
    made = AZURE_CLI.is_built and shutil.which("az") is None
    return [AZURE_CLI.folder] if made else []


def sign_in(who: str) -> str:
    """Return the line that signs Azure CLI in: as ``OWNER``, or as the operator, ``AZURE``."""
    return (
        f'az login --service-principal --username "${who}_CLIENT_ID" '
        f'--password "${who}_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID"'
    )


def to_try() -> str:
    """Return the lines to type: to sign in as the subscription's Owner, and to look around."""
    lines = [
        f"{sign_in('OWNER')} --output none",
        "az vm list --output table",
        f"az snapshot list --resource-group {_GROUP} --output table",
        f"az resource list --resource-group {_GROUP} --output table",
        "az role assignment list --all --output table",
    ]
    as_operator = f"As the operator, with the operator's rights: {sign_in('AZURE')}"
    return "\n".join([*lines, as_operator]) + "\n"
