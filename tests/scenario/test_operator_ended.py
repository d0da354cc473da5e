"""An operator that is asked to end does so quickly and cleanly, whatever it is at."""

from __future__ import annotations

from tests.scenario.stage import SESSION_LIMIT_S, Stage, eventually
from tools.local_cloud import seed

#: A session has eight phases or so; each end and start takes seconds.
ENDS = 3


def phase_of(stage: Stage, session: str) -> str:
    return str(stage.get("backupsession", session).get("status", {}).get("phase", ""))


def test_asked_to_end_in_the_middle_it_leaves_no_error_and_the_session_goes_on(
    stage: Stage,
) -> None:
    name = "ended-on-the-way"
    stage.create(
        "BackupSession",
        name,
        {
            "type": "Backup",
            "virtualMachineId": seed.VM_ID,
            "repositoryRef": {"name": "west-europe"},
            "retention": {"last": 3},
        },
    )
    ended_at = [""]
    for _ in range(ENDS):
        phase = eventually(
            lambda: phase_of(stage, name),
            lambda seen: seen not in ended_at,
            "another phase",
            SESSION_LIMIT_S,
        )
        # Where something is not through after 25 s kopf kills it, and after 30 Kubernetes does.
        assert stage.operator.stop() == 0, phase
        ended_at.append(phase)
        stage.operator.start()

    assert stage.outcome(name)["outcome"] == "Succeeded"
    assert not {"Complete", "Failed"} & set(ended_at)
    log = (stage.folder / "operator" / "operator.log").read_text()
    assert [line for line in log.splitlines() if " ERROR " in line] == []
