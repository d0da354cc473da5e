"""Whoever lists sessions, or deletes one, has it known which of those that ended are there."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from typing_extensions import override

from tests.unit.metrics.told import LAST_SLOT, POLICY, backup
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.connection import JSON, Connection
from vmbackup_operator.cluster.restore_sessions import StoredRestores
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.sessions.ended import EndedSessions

OTHER = ObjectKey("team", "weekly")


class Stored(Connection):
    """An API server that holds these sessions, lists them by their policy's label, and deletes."""

    def __init__(self, *sessions: BackupSession) -> None:
        self.sessions = {each.metadata.name: each for each in sessions}

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
        if method == "DELETE":
            del self.sessions[path.rsplit("/", 1)[1]]
            return b"{}"
        selector = (query or {}).get("labelSelector", "=")
        name, _, value = selector.partition("=")
        items = [
            each
            for each in self.sessions.values()
            if path.endswith("/backupsessions") and (each.metadata.labels.get(name, "") == value)
        ]
        return msgspec.json.encode({"metadata": {}, "items": items})


def names(ended: EndedSessions) -> set[str]:
    return {each.key.name for each in ended.all()}


async def test_a_look_at_a_policy_drops_what_has_gone_of_it_and_nothing_else() -> None:
    mine, gone = backup("web-01", LAST_SLOT), backup("web-02", LAST_SLOT)
    other = backup("web-01", LAST_SLOT, policy_key=OTHER)
    server, ended = Stored(mine, gone, other), EndedSessions()
    stored = StoredSessions(server, ended)
    await stored.of_policy(POLICY)
    await stored.of_policy(OTHER)
    both = names(ended)
    del server.sessions[gone.metadata.name]

    await stored.of_policy(POLICY)

    assert both == {each.metadata.name for each in (mine, gone, other)}
    assert names(ended) == {mine.metadata.name, other.metadata.name}


async def test_what_the_operator_deletes_itself_is_known_to_have_gone() -> None:
    session = backup("web-01", LAST_SLOT)
    server, ended = Stored(session), EndedSessions()
    stored = StoredSessions(server, ended)
    await stored.of_policy(POLICY)

    await stored.delete(session)

    assert names(ended) == set()


async def test_a_list_of_all_backups_leaves_restores_alone_and_the_other_way_round() -> None:
    by_hand = backup("web-01", LAST_SLOT)
    server, ended = Stored(), EndedSessions()
    ended.note(by_hand)

    await StoredRestores(server, ended).all()
    after_restores = names(ended)
    await StoredSessions(server, ended).all()

    assert after_restores == {by_hand.metadata.name}
    assert names(ended) == set()
