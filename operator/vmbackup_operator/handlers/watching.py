"""What kopf calls when an object of ours was written: each handler has it looked at, no more.

What to do is decided from what is stored, never from the event. Nothing here adds a finalizer or an
annotation, and kopf keeps nothing: all handlers are of the plain event kind.
"""

from __future__ import annotations

from typing import Any

import kopf

from vmbackup_operator.model.metadata import GROUP, POLICY_LABEL, VERSION, ObjectKey

GONE = "DELETED"


def key_of(namespace: str | None, name: str) -> ObjectKey:
    """Return the object's key; all of ours are namespaced."""
    if namespace is None:
        raise AssertionError(f"{name} lies in no namespace")
    return ObjectKey(namespace, name)


@kopf.on.event(GROUP, VERSION, "backuppolicies")
async def policy_seen(
    type: str,  # noqa: A002 - kopf's own word
    namespace: str | None,
    name: str,
    body: kopf.Body,
    memo: kopf.Memo,
    **_: Any,
) -> None:
    """Put the policy into the picture, and have it looked at."""
    memo.operator.policy_seen(key_of(namespace, name), dict(body), gone=type == GONE)


@kopf.on.event(GROUP, VERSION, "backupsessions")
async def session_seen(
    type: str,  # noqa: A002 - kopf's own word
    namespace: str | None,
    name: str,
    labels: kopf.Labels,
    body: kopf.Body,
    memo: kopf.Memo,
    **_: Any,
) -> None:
    """Put the session into the picture, and have it looked at where that is news.

    A session that has its outcome leaves what is watched, which is seen as its deletion. Its policy
    may have waited for that, its repository counts its recovery points, and upkeep waits for the
    end of a session that reads back.
    """
    memo.operator.session_seen(key_of(namespace, name), dict(body), gone=type == GONE)
    if type != GONE:
        return
    policy = labels.get(POLICY_LABEL)
    if policy is not None:
        memo.operator.seen("BackupPolicy", key_of(namespace, policy))
    spec = body.get("spec", {})
    repository = spec.get("repositoryRef", {})
    if "name" in repository:
        key = key_of(repository.get("namespace") or namespace, repository["name"])
        memo.operator.seen("BackupRepository", key)
        if "resolved" in body.get("status", {}):  # it may have made a RecoveryPoint object
            memo.operator.seen("DepartedRepository", key)
        if spec.get("type") == "Verify":
            memo.operator.seen("Upkeep", key)


@kopf.on.event(GROUP, VERSION, "backuprepositories")
async def repository_seen(
    type: str,  # noqa: A002 - kopf's own word
    namespace: str | None,
    name: str,
    status: kopf.Status,
    body: kopf.Body,
    memo: kopf.Memo,
    **_: Any,
) -> None:
    """Have the repository looked at, and the policies that rest on it where it stands otherwise."""
    key = key_of(namespace, name)
    memo.operator.repository_seen(key, dict(body), gone=type == GONE)
    memo.operator.repository_stands(key, GONE if type == GONE else _standing_of(status))


def _standing_of(status: kopf.Status) -> str:
    """Return what policies take over from a repository: why it is not ready, or that it is."""
    ready = [each for each in status.get("conditions") or () if each.get("type") == "Ready"]
    said = ready[0] if ready else {}
    if said.get("status") == "True":
        return "ready"
    return f"{said.get('reason', '')}: {said.get('message', '')}"


@kopf.on.event(GROUP, VERSION, "regionenvironments")
async def environment_seen(namespace: str | None, name: str, memo: kopf.Memo, **_: Any) -> None:
    """Have the environment looked at."""
    memo.operator.seen("RegionEnvironment", key_of(namespace, name))


@kopf.on.event(GROUP, VERSION, "restoresessions")
async def restore_seen(
    type: str,  # noqa: A002 - kopf's own word
    namespace: str | None,
    name: str,
    body: kopf.Body,
    memo: kopf.Memo,
    **_: Any,
) -> None:
    """Put the restore into the picture, and have it looked at where that is news."""
    memo.operator.restore_seen(key_of(namespace, name), dict(body), gone=type == GONE)
