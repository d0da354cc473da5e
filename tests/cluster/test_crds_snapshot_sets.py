"""Sessions of type Snapshot and their RecoveryPoints: what may be said of them, and changed."""

from __future__ import annotations

import pytest

from tests.cluster.crd_objects import Writer, changed
from tests.cluster.restore_rules import SESSION
from tests.cluster.wrong_sets import (
    USELESS_TO_POLICIES,
    USELESS_TO_SETS,
    a_set,
    point_of_a_set,
    policy_of_sets,
)
from vmbackup_core.errors import PermanentError


async def test_a_session_is_accepted_and_gets_no_repository(writer: Writer) -> None:
    await writer.create("backupsessions", a_set())

    with pytest.raises(PermanentError, match=SESSION):
        await writer.merge("backupsessions", "spec.repositoryRef", {"name": "west-europe"})


async def test_a_point_is_accepted_and_keeps_its_description(writer: Writer) -> None:
    await writer.create("recoverypoints", point_of_a_set())

    with pytest.raises(PermanentError, match="a recovery point cannot be changed"):
        await writer.merge("recoverypoints", "spec.packedDescription", "eJx=")


@pytest.mark.parametrize(("field", "value", "said"), USELESS_TO_SETS)
async def test_what_makes_no_sense_for_a_set_is_refused(
    judge: Writer, field: str, value: object, said: str
) -> None:
    await judge.create("backupsessions", a_set(), dry=True)
    with pytest.raises(PermanentError, match=said):
        await judge.create("backupsessions", changed(a_set(), f"spec.{field}", value), dry=True)


@pytest.mark.parametrize(("field", "value", "said"), USELESS_TO_POLICIES)
async def test_what_makes_no_sense_for_a_policy_of_sets_is_refused(
    judge: Writer, field: str, value: object, said: str
) -> None:
    right = policy_of_sets()
    await judge.create("backuppolicies", right, dry=True)
    with pytest.raises(PermanentError, match=said):
        await judge.create("backuppolicies", changed(right, f"spec.{field}", value), dry=True)
