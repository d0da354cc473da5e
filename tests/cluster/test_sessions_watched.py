"""Sessions as the demo follows them: their lines when they change, until all has ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tools.demo import restores, sessions
from tools.demo.narration import FactBroken
from tools.demo.sessions import Followed
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubernetesUser

pytestmark = pytest.mark.control_plane

NAMESPACE = "watched"
RESTORE = restores.Restore("back-as-disks", "1e5089f8", ())


@pytest.fixture
def user(installed: ControlPlane) -> Iterator[KubernetesUser]:
    """A user of a namespace with one RestoreSession, which no operator looks at."""
    administrator = installed.administrator
    administrator.kubectl("create", "namespace", NAMESPACE)
    wanted = RESTORE.manifest("web-01-202611270930-1e5089")
    wanted["metadata"]["namespace"] = NAMESPACE
    administrator.create(wanted)
    yield administrator
    administrator.kubectl("delete", "namespace", NAMESPACE)


def say_status(user: KubernetesUser, **status: Any) -> None:
    """Write the session's status, as the operator would."""
    words = ("restoresession", RESTORE.name, f"--namespace={NAMESPACE}", "--type=merge")
    user.kubectl(
        "patch", *words, "--subresource=status", f"--patch={json.dumps({'status': status})}"
    )


def condition(type_: str) -> dict[str, str]:
    said = {"type": type_, "status": "True", "reason": "Succeeded", "message": ""}
    return {**said, "lastTransitionTime": "2026-11-27T09:30:00Z"}


def one_after_the_other(*steps: Callable[[], None]) -> Callable[[], None]:
    """Return what takes the next of *steps* each time that it is called, and then nothing."""
    left = list(steps)

    def step() -> None:
        if left:
            left.pop(0)()

    return step


def test_a_session_is_found_shown_when_it_changes_and_awaited(user: KubernetesUser) -> None:
    said: list[str] = []
    steps = one_after_the_other(
        lambda: say_status(user, phase="Restoring"),
        lambda: say_status(user, phase="Complete", outcome="Succeeded"),
        lambda: say_status(user, conditions=[condition("WorkerReleased")]),
    )
    followed = Followed(user, NAMESPACE, sessions.RESTORES)

    (session,) = sessions.watch([followed], said.append, limit_s=60, meanwhile=steps)

    assert session["metadata"]["name"] == RESTORE.name
    assert [line.split()[:3] for line in said[1:]] == [
        [RESTORE.name, "web-01-202611270930-1e5089", "Disks"]
    ] * 3
    assert [line.split()[3] for line in said[2:]] == ["Restoring", "Complete"]


def test_those_that_are_awaited_are_returned_while_others_go_on(user: KubernetesUser) -> None:
    say_status(user, outcome="Succeeded", conditions=[condition("WorkerReleased")])
    awaited = Followed(user, NAMESPACE, sessions.RESTORES, RESTORE.name)
    other = Followed(user, NAMESPACE, sessions.BACKUPS)

    ended = sessions.watch(
        [awaited, other], lambda _: None, limit_s=60, meanwhile=lambda: None, until=[awaited]
    )

    assert [each["metadata"]["name"] for each in ended] == [RESTORE.name]


def test_one_that_does_not_end_is_described(user: KubernetesUser) -> None:
    followed = Followed(user, NAMESPACE, sessions.RESTORES, RESTORE.name)

    with pytest.raises(FactBroken, match=f"{RESTORE.name} has not ended"):
        sessions.watch([followed], lambda _: None, limit_s=0, meanwhile=lambda: None)
