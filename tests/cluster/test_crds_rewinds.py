"""What a RestoreSession of mode Rewind may ask for: content, and nothing else."""

from __future__ import annotations

import pytest

from tests.cluster.crd_objects import GROUP, RIGHT, SUBSCRIPTION, Writer, changed
from vmbackup_core.errors import PermanentError

WHERE = {"subscriptionId": SUBSCRIPTION, "resourceGroup": "rg-prod", "region": "northeurope"}
POINT = {"recoveryPointRef": {"name": "web-01-1"}}
#: A right one, which may name disks.
A_REWIND = changed(
    RIGHT["restoresessions"],
    "spec",
    {**POINT, "mode": "Rewind", "target": WHERE, "disks": ["os", "0"]},
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spec.target.zone", "1"),
        ("spec.target.diskSku", "Premium_LRS"),
        ("spec.target.tags", [{"name": "team", "value": "web"}]),
        (
            "spec.target.diskEncryptionSetId",
            f"{GROUP}/providers/Microsoft.Compute/diskEncryptionSets/keys",
        ),
        ("spec.rehydration", {"priority": "High"}),
        ("spec.overrides", {"disks": [{"disk": "os", "sizeGiB": 64}]}),
    ],
)
async def test_what_a_rewind_does_not_do_is_refused(
    judge: Writer, field: str, value: object
) -> None:
    await judge.create("restoresessions", A_REWIND, dry=True)
    with pytest.raises(PermanentError, match="a rewind changes nothing but content"):
        await judge.create("restoresessions", changed(A_REWIND, field, value), dry=True)


async def test_a_rewind_is_of_no_other_source_than_snapshots(judge: Writer) -> None:
    await judge.create("restoresessions", changed(A_REWIND, "spec.source", "Snapshots"), dry=True)
    with pytest.raises(PermanentError, match="made of retained snapshots alone"):
        await judge.create(
            "restoresessions", changed(A_REWIND, "spec.source", "Repository"), dry=True
        )
