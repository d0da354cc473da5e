"""``vmbackup adopt``: says on an administrator's word that a storage account is a region's own."""

from __future__ import annotations

import asyncio

from vmbackup_operator.cli.commands import Adopt
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.settings import load


def adopt(command: Adopt, console: Console) -> int:
    """Adopt the account and say what that means for it."""
    settings = load(command.config)
    # After the settings: Azure's SDKs and the cluster's client take seconds to load.
    from vmbackup_operator.wiring.adopting import adopt_account  # noqa: PLC0415

    region = asyncio.run(adopt_account(settings, ArmId(command.account)))
    console.write_line(
        f"{name_of(ArmId(command.account))} is the account of {region} from the operator's next"
        " look on: public access and account keys are switched off there then"
    )
    return 0
