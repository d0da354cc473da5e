"""Whether our CRDs are there: kopf never notices one that comes after it started to watch."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vmbackup_operator.cluster.answers import read
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.failures import NotThere
from vmbackup_operator.model.kinds import KINDS
from vmbackup_operator.model.metadata import GROUP


class DefinitionCondition(msgspec.Struct, frozen=True):
    """One statement about a CRD."""

    type: str
    status: str


class DefinitionStatus(msgspec.Struct, frozen=True):
    """What the API server says of a CRD."""

    conditions: tuple[DefinitionCondition, ...] = ()


class Definition(msgspec.Struct, frozen=True):
    """What we look at of a CRD."""

    status: DefinitionStatus = DefinitionStatus()


async def missing_definitions(connection: Connection) -> Sequence[str]:
    """Return the names of those of our CRDs that are not there or not served yet."""
    names = [f"{kind.plural}.{GROUP}" for kind in KINDS]
    return [name for name in names if not await _is_established(connection, name)]


async def _is_established(connection: Connection, name: str) -> bool:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
    try:
        answer = await connection.send("GET", path)
    except NotThere:
        return False
    conditions = read(answer, Definition).status.conditions
    return DefinitionCondition("Established", "True") in conditions
