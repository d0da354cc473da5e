"""What Argo CD shows of our objects: each kind's health.lua, run by a real Lua over real statuses.

Lua 5.1 is what Argo CD's interpreter understands.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from tests.unit.environments.conftest import Appliance
from tests.unit.gitops import recorded
from tests.unit.gitops.kstatus import computed
from tests.unit.gitops.recorded import Found, Record
from vmbackup_operator.model.kinds import KINDS

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "gitops" / "argocd"

#: What Argo CD knows.
WORDS = {"Healthy", "Progressing", "Degraded", "Suspended"}
#: What kstatus's answer is in those words, where a kind does not know better.
AS_WORDS = {
    "Current": {"Healthy", "Suspended"},
    "InProgress": {"Progressing"},
    "Failed": {"Degraded"},
}


def health(found: Found) -> tuple[str, str]:
    """Return what the kind's script says of *found*: status and message."""
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(found, recursive=True)
    answer = lua.execute((FOLDER / found["kind"] / "health.lua").read_text())
    return answer.status, answer.message


def words(record: Record) -> list[str]:
    """Return the healths of a record's object, without repetitions."""
    found = [health(state)[0] for state in record.states]
    return [one for before, one in zip([None, *found], found, strict=False) if one != before]


def test_every_kind_has_its_script_and_the_component_names_each() -> None:
    component = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    (generated,) = component["configMapGenerator"]

    kinds = {kind.kind for kind in KINDS}
    assert {path.parent.name for path in FOLDER.glob("*/health.lua")} == kinds
    assert set(generated["files"]) == {
        f"resource.customizations.health.vmbackup.dev_{kind}={kind}/health.lua" for kind in kinds
    }


def test_the_kinds_that_become_ready_are_judged_alike() -> None:
    def rules(kind: str) -> str:
        text = (FOLDER / kind / "health.lua").read_text()
        return re.sub(r"^--.*$", "", text, flags=re.MULTILINE)

    assert rules("BackupRepository") == rules("RegionEnvironment")
    assert rules("BackupPolicy").replace(
        '      if obj.spec.suspend then\n        hs.status = "Suspended"\n      end\n', ""
    ) == rules("BackupRepository")


async def test_a_policy_is_degraded_where_somebody_has_to_do_something() -> None:
    record = await recorded.policies()

    assert words(record) == [
        "Progressing", "Degraded", "Healthy", "Progressing", "Healthy", "Degraded", "Progressing",
        "Degraded",
    ]  # fmt: skip


async def test_a_suspended_policy_is_suspended() -> None:
    assert health(await recorded.suspended_policy()) == (
        "Suspended",
        "suspended: no session begins",
    )


async def test_a_repository_that_opens_is_healthy_and_says_what_is_in_it() -> None:
    record = await recorded.repositories()

    assert words(record) == ["Progressing", "Degraded", "Healthy", "Progressing", "Healthy"]
    assert "until it is claimed" in health(record.last)[1]


async def test_an_environment_that_is_being_built_progresses(appliance: Appliance) -> None:
    record = await recorded.environments(appliance)

    ours = [state for state in record.states if state["metadata"]["namespace"] == "vmbackup"]
    found = [health(state)[0] for state in ours]
    assert found[0] == "Progressing"
    assert found[-1] == "Healthy"
    assert health(record.last)[0] == "Degraded"


async def test_sessions_progress_by_their_phases_to_their_outcome() -> None:
    succeeded, failed, cancelled = await recorded.backups()

    phases = {health(state)[1] for state in succeeded.states}
    assert {"Snapshotting", "LaunchingWorker", "Transferring"} <= phases
    assert words(succeeded) == ["Progressing", "Healthy"]
    assert words(failed) == ["Progressing", "Degraded"]
    assert health(failed.last)[1] == failed.last["status"]["message"]
    assert words(cancelled) == ["Progressing", "Healthy"]


@pytest.mark.at_length
async def test_sessions_of_other_types_end_healthy() -> None:
    for record in await recorded.other_sessions():
        assert health(record.last)[0] == "Healthy"


@pytest.mark.at_length
async def test_a_rewind_that_waits_for_its_user_is_suspended_and_says_what_to_type() -> None:
    restored, rewound = await recorded.restores()

    assert words(restored) == ["Progressing", "Healthy"]
    assert words(rewound) == ["Progressing", "Suspended", "Progressing", "Healthy"]
    waiting = [health(state)[1] for state in rewound.states if health(state)[0] == "Suspended"]
    assert any("kubectl annotate" in message for message in waiting)


async def test_a_recovery_point_is_healthy() -> None:
    assert health((await recorded.points()).last)[0] == "Healthy"


async def test_what_argo_says_never_contradicts_what_flux_waits_for(appliance: Appliance) -> None:
    records = [
        await recorded.policies(),
        await recorded.repositories(),
        await recorded.environments(appliance),
    ]

    for record in records:
        for state in record.states:
            assert health(state)[0] in WORDS
            if "status" in state and "conditions" in state["status"]:
                assert health(state)[0] in AS_WORDS[computed(state)], state
