"""Lists of objects, one of which somebody wrote as no reader of ours expects."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_operator.cluster.connection import JSON, Connection
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey


def stored(name: str, **spec: object) -> dict[str, object]:
    wanted = {"virtualMachineId": "/vm", "repositoryRef": {"name": "repo"}, **spec}
    return {"metadata": {"name": name, "namespace": "team"}, "spec": wanted}


#: The API server's own check of date-time takes this year; Python's calendar begins a year later.
UNREADABLE = stored("poison", startBefore="0000-01-01T00:00:00Z")


class Answers(Connection):
    """An API server that holds these objects and answers nothing but reads."""

    def __init__(self, *objects: Mapping[str, object]) -> None:
        self.objects = objects

    @override
    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> bytes:
        assert method == "GET"
        if path.endswith("/backupsessions"):
            return msgspec.json.encode({"metadata": {}, "items": self.objects})
        return msgspec.json.encode(self.objects[0])


async def test_who_takes_the_unlisted_for_gone_is_told_which_cannot_be_read() -> None:
    objects = Objects(Answers(stored("one"), UNREADABLE, stored("two")), BackupSession)

    with pytest.raises(PermanentError, match="team/poison") as caught:
        await objects.all_readable()

    assert caught.value.reason == "UnreadableObject"
    assert len(await Objects(Answers(stored("one")), BackupSession).all_readable()) == 1


async def test_an_unreadable_object_does_not_hide_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    objects = Objects(Answers(stored("one"), UNREADABLE, stored("two")), BackupSession)

    found = await objects.listed()
    await objects.listed()

    assert [each.metadata.name for each in found] == ["one", "two"]
    (said,) = [record.getMessage() for record in caplog.records]
    assert "team/poison" in said
    assert "startBefore" in said


async def test_an_unreadable_object_is_named_to_who_looks_at_it() -> None:
    objects = Objects(Answers(UNREADABLE), BackupSession)

    with pytest.raises(PermanentError, match="startBefore") as refused:
        await objects.find(ObjectKey("team", "poison"))

    assert refused.value.reason == "UnreadableObject"
