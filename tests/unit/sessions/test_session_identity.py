"""Whose a session is, and by which run id it goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import KEY, VM, session_of
from vmbackup_operator.backups.identity import run_id_for
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, FINALIZER, ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.naming import session_name_of_slot, session_name_of_trigger

SLOT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


def policys_session(name: str, occasion: Mapping[str, object]) -> BackupSession:
    made = session_of(ObjectKey("team", name), policy_ref=LocalReference("nightly"))
    return replace(made, spec=replace(made.spec, **occasion))


@pytest.mark.parametrize(
    ("name", "occasion"),
    [
        pytest.param(session_name_of_slot("nightly", VM, SLOT), {"slot": SLOT}, id="slot"),
        pytest.param(
            session_name_of_trigger("nightly", VM, "go", SLOT),
            {"trigger": "go", "trigger_time": SLOT},
            id="trigger",
        ),
    ],
)
def test_only_the_session_that_the_policy_would_make_has_the_policys_run_id(
    name: str, occasion: Mapping[str, object]
) -> None:
    own = policys_session(name, occasion)
    again = replace(own, metadata=replace(own.metadata, uid="ffffffff-0000-4000-8000-000000000000"))
    users = policys_session("mine", occasion)

    assert run_id_for(APPLIANCE, own) == run_id_for(APPLIANCE, again)
    assert run_id_for(APPLIANCE, users) == users.metadata.uid.replace("-", "")


def test_the_run_of_a_token_that_is_used_again_is_another_one() -> None:
    runs = {
        run_id_for(
            APPLIANCE,
            policys_session(
                session_name_of_trigger("nightly", VM, "go", seen),
                {"trigger": "go", "trigger_time": seen},
            ),
        )
        for seen in (SLOT, SLOT + timedelta(days=30))
    }

    assert len(runs) == 2


async def test_a_session_that_ended_before_it_began_is_left_as_it_is() -> None:
    """Its policy had no room for it: there is nothing to do and nothing to undo."""
    world = World()
    made = session_of()
    ended = BackupSessionStatus(outcome="Skipped", completion_time=SLOT)
    world.sessions.put(replace(made, status=ended))

    assert await world.look() is None
    assert world.status() == ended
    assert world.sessions.stored[KEY].metadata.finalizers == ()


async def test_a_session_that_another_appliances_policy_made_is_left_alone() -> None:
    world = World()
    made = session_of()
    labels = {APPLIANCE_LABEL: "somebody-else"}
    world.sessions.put(replace(made, metadata=replace(made.metadata, labels=labels)))

    assert await world.look() is None
    assert world.status().appliance_id is None
    assert world.sessions.stored[KEY].metadata.finalizers == ()


async def test_killed_behind_its_finalizer_and_deleted_a_session_still_goes() -> None:
    world = World()
    world.sessions.put(session_of())

    def meet(what: str) -> None:
        if what == "after the finalizers":
            raise Killed

    world.meets(meet)
    with pytest.raises(Killed):
        await world.look()
    world.meets(lambda _what: None)
    world.start()
    assert world.sessions.stored[KEY].metadata.finalizers == (FINALIZER,)
    world.sessions.request_deletion(KEY)

    assert await world.look() is None
    assert KEY not in world.sessions.stored
